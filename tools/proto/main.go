// Command proto generates the code of the schemas, NAME.pb.go beside each NAME.proto, without protoc: it parses with protocompile
// and generates with the code of protoc-gen-go, both pinned by this module's go.mod. With -check it writes nothing and
// fails if a checked-in file differs. Run it through tools/gen-proto.sh.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	gengo "google.golang.org/protobuf/cmd/protoc-gen-go/internal_gengo"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// sources are the schemas, by the names under which they enter protobuf's global registry. They are relative to the
// repository: no path of the machine that generates may reach the output.
var sources = []string{"protocol/wire/pb/brahms.proto", "spread/message/pb/spread.proto"}

func main() {
	root := flag.String("root", ".", "root of the repository")
	check := flag.Bool("check", false, "write nothing, fail if the checked-in code differs")
	flag.Parse()
	for _, source := range sources {
		if err := run(*root, source, *check); err != nil {
			fmt.Fprintln(os.Stderr, "proto:", err)
			os.Exit(1)
		}
	}
}

func run(root, source string, check bool) error {
	files, err := generate(root, source)
	if err != nil {
		return err
	}
	for _, f := range files {
		path := filepath.Join(root, filepath.FromSlash(f.GetName()))
		if !check {
			if err := os.WriteFile(path, []byte(f.GetContent()), 0o644); err != nil {
				return err
			}
			continue
		}
		have, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !bytes.Equal(have, []byte(f.GetContent())) {
			return fmt.Errorf("%s is not what %s generates: run tools/gen-proto.sh", f.GetName(), source)
		}
	}
	return nil
}

func generate(root, source string) ([]*pluginpb.CodeGeneratorResponse_File, error) {
	compiler := protocompile.Compiler{
		Resolver: &protocompile.SourceResolver{ImportPaths: []string{root}},
		// The comments of the schema become the comments of the generated code.
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	linked, err := compiler.Compile(context.Background(), source)
	if err != nil {
		return nil, err
	}
	req := &pluginpb.CodeGeneratorRequest{
		FileToGenerate: []string{source},
		Parameter:      proto.String("paths=source_relative"),
		// No compiler version: protocompile is not protoc and must not pass for one in the header.
		ProtoFile: []*descriptorpb.FileDescriptorProto{protoutil.ProtoFromFileDescriptor(linked[0])},
	}
	plugin, err := protogen.Options{}.New(req)
	if err != nil {
		return nil, err
	}
	for _, f := range plugin.Files {
		if f.Generate {
			gengo.GenerateFile(plugin, f)
		}
	}
	res := plugin.Response()
	if res.Error != nil {
		return nil, errors.New(res.GetError())
	}
	return res.File, nil
}
