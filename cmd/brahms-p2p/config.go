package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/urfave/cli/v3"
)

// maxConfig bounds what is read of a configuration file.
const maxConfig = 1 << 20

// configName is the flag that names the configuration file.
const configName = "config"

// settings is where the values of one command's flags come from if not from the command line: the environment, then the
// configuration file.
type settings struct {
	root    *cli.Command
	path    []string // names of the command below the root: the table of the file
	file    string   // --config
	loaded  bool
	table   map[string]any
	err     error
	origins map[string]string // of each flag that has its value from here: what to call the place
}

// configurable gives cmd and its subcommands the flag --config, and each flag the file behind its twin in the environment.
func configurable(root *cli.Command) {
	for _, sub := range root.Commands {
		configure(root, sub, []string{sub.Name})
	}
}

func configure(root, cmd *cli.Command, path []string) {
	if len(cmd.Flags) > 0 {
		s := &settings{root: root, path: path, origins: make(map[string]string)}
		for _, flag := range cmd.Flags {
			setSources(flag, cli.NewValueSourceChain(envSource{s, flag.Names()[0]}, fileSource{s, flag.Names()[0]}))
		}
		config := &cli.StringFlag{
			Name: configName, Local: true, Category: inConfig, Sources: cli.NewValueSourceChain(envSource{s, configName}), Destination: &s.file, TakesFile: true,
			Usage: "`FILE` (TOML) whose table [" + strings.Join(path, ".") + "] has values for these flags; the environment and the command line go before it",
		}
		cmd.Flags = append([]cli.Flag{config}, cmd.Flags...) // the first, so that it is known when the others look
		before := cmd.Before
		cmd.Before = func(ctx context.Context, cmd *cli.Command) (context.Context, error) {
			if err := s.load(); err != nil {
				return ctx, err
			}
			root.Metadata = map[string]any{"settings": s} // of the innermost command: this runs from the outside in
			if before == nil {
				return ctx, nil
			}
			return before(ctx, cmd)
		}
		cmd.Metadata = map[string]any{"settings": s}
	}
	for _, sub := range cmd.Commands {
		configure(root, sub, append(path[:len(path):len(path)], sub.Name))
	}
}

// settingsOf returns the settings of a command that is configurable.
func settingsOf(cmd *cli.Command) *settings {
	s, _ := cmd.Metadata["settings"].(*settings)
	return s
}

func setSources(flag cli.Flag, chain cli.ValueSourceChain) {
	switch f := flag.(type) {
	case *cli.BoolFlag:
		f.Sources = chain
	case *cli.IntFlag:
		f.Sources = chain
	case *cli.Uint64Flag:
		f.Sources = chain
	case *cli.FloatFlag:
		f.Sources = chain
	case *cli.StringFlag:
		f.Sources = chain
	case *cli.DurationFlag:
		f.Sources = chain
	case *cli.StringSliceFlag:
		f.Sources = chain
	default:
		panic(fmt.Sprintf("internal error: flag --%s is a %T, which has no sources", flag.Names()[0], flag))
	}
}

// envSource is the environment's twin of a flag.
type envSource struct {
	s    *settings
	flag string
}

func (e envSource) Lookup() (string, bool) {
	value, found := os.LookupEnv(e.Key())
	if found {
		e.s.origins[e.flag] = "the environment's " + e.Key()
	}
	return value, found
}

func (e envSource) IsFromEnv() bool  { return true }
func (e envSource) Key() string      { return twin(e.flag) }
func (e envSource) String() string   { return "the environment's " + e.Key() }
func (e envSource) GoString() string { return e.String() }

// fileSource is the configuration file's value of a flag. Nothing is found in a file that cannot be read: settings.load then
// says why before anything starts.
type fileSource struct {
	s    *settings
	flag string
}

func (f fileSource) Lookup() (string, bool) {
	if f.s.load() != nil {
		return "", false
	}
	value, found := f.s.table[f.flag]
	if !found {
		return "", false
	}
	text, _ := configText(value)
	f.s.origins[f.flag] = f.String()
	return text, true
}

func (f fileSource) String() string {
	return fmt.Sprintf("%s of %s", strings.Join(append(f.s.path, f.flag), "."), strconv.Quote(f.s.file))
}
func (f fileSource) GoString() string { return f.String() }

// load reads the file once and checks all of it, also the tables of other commands.
func (s *settings) load() error {
	if s.loaded || s.file == "" {
		return s.err
	}
	s.loaded = true
	s.table, s.err = s.read()
	return s.err
}

func (s *settings) read() (map[string]any, error) {
	info, err := os.Stat(s.file)
	if err == nil && info.Size() > maxConfig {
		err = fmt.Errorf("it has more than %d bytes", maxConfig)
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(s.file)
	}
	if err != nil {
		return nil, fmt.Errorf("config=%q cannot be read: %w", s.file, reason(err))
	}
	var all map[string]any
	if err := toml.Unmarshal(text, &all); err != nil {
		var parse toml.ParseError
		if errors.As(err, &parse) {
			return nil, fmt.Errorf("config=%q must be TOML: line %d: %s", s.file, parse.Position.Line, parse.Message)
		}
		return nil, fmt.Errorf("config=%q must be TOML: %w", s.file, err)
	}
	if err := s.check(s.root, all, ""); err != nil {
		return nil, fmt.Errorf("config=%q: %w", s.file, err)
	}
	table := all
	for _, name := range s.path {
		table, _ = table[name].(map[string]any)
	}
	return table, nil
}

// check compares a table with the command that it is of. prefix is its name with a dot behind it.
func (s *settings) check(cmd *cli.Command, table map[string]any, prefix string) error {
	for _, key := range slices.Sorted(maps.Keys(table)) {
		value := table[key]
		if sub, ok := value.(map[string]any); ok {
			to := cmd.Command(key)
			if to == nil || settingsOf(to) == nil {
				return fmt.Errorf("[%s] must be a command that has flags", prefix+key)
			}
			if err := s.check(to, sub, prefix+key+"."); err != nil {
				return err
			}
			continue
		}
		flag := flagOf(cmd, key)
		if flag == nil || key == configName {
			return fmt.Errorf("%s must be a flag of %s; see its --help", prefix+key, cmd.FullName())
		}
		text, err := configText(value)
		if err != nil {
			return fmt.Errorf("%s %w", prefix+key, err)
		}
		_, isText := flag.(*cli.StringFlag)
		_, isList := flag.(*cli.StringSliceFlag)
		_, wasList := value.([]any)
		switch {
		case wasList && !isList:
			return fmt.Errorf("%s=[%s] must be one value, not a list", prefix+key, text)
		case text == "" && !isText:
			return fmt.Errorf("%s must not be empty", prefix+key)
		}
	}
	return nil
}

// flagOf returns the flag of a command by its name, nil if it has none.
func flagOf(cmd *cli.Command, name string) cli.Flag {
	for _, flag := range cmd.Flags {
		if flag.Names()[0] == name {
			return flag
		}
	}
	return nil
}

// configText is a value of the file as it would be written on the command line.
func configText(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), nil
	case []any:
		texts := make([]string, len(v))
		for i, element := range v {
			text, ok := element.(string)
			if !ok || text == "" || strings.Contains(text, ",") {
				return "", fmt.Errorf("must be a list of texts, none empty or with a comma; %v is not one", element)
			}
			texts[i] = text
		}
		return strings.Join(texts, ","), nil
	}
	return "", fmt.Errorf("must be a text, a number, true, false or a list of texts")
}

var namedValue = regexp.MustCompile(`([a-zA-Z0-9][a-zA-Z0-9 -]*)=`)

// sourced adds to the text of an error where the values that it names come from, unless that is the command line.
func sourced(text string, s *settings) string {
	if s == nil {
		return text
	}
	var from []string
	seen := make(map[string]bool)
	for _, m := range namedValue.FindAllStringSubmatch(text, -1) {
		words := strings.Split(strings.ReplaceAll(strings.TrimSpace(m[1]), "-", " "), " ")
		for ; len(words) > 0; words = words[1:] { // "protocol prefix" is --prefix
			flag := strings.Join(words, "-")
			if origin, ok := s.origins[flag]; ok && !seen[flag] {
				seen[flag] = true
				from = append(from, fmt.Sprintf("%s is from %s", flag, origin))
				break
			}
		}
	}
	if from == nil {
		return text
	}
	return text + " (" + strings.Join(from, ", ") + ")"
}
