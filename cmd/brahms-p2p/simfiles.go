package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/brahms-p2p/brahms-p2p/internal/sim"
)

// roundsFile is a file of rounds as CSV that appears when all of them are in it: until then they are in another one beside it.
type roundsFile struct {
	file string
	tmp  *os.File
	csv  *csv.Writer
}

// newRoundsFile finds out whether file can be written. It leaves it as it is.
func newRoundsFile(file string) (*roundsFile, error) {
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target
	}
	switch info, err := os.Stat(file); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is no regular file")
	default:
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err != nil {
			return nil, err
		}
		f.Close()
	}
	tmp, err := os.OpenFile(fmt.Sprintf("%s.%d.tmp", file, os.Getpid()), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return nil, err
	}
	r := &roundsFile{file: file, tmp: tmp, csv: csv.NewWriter(tmp)}
	return r, r.csv.Write(append([]string{"run", "seed"}, roundWords()...))
}

// add appends a round of the run of that number, from 1.
func (r *roundsFile) add(run int, seed uint64, round sim.Round) error {
	err := r.csv.Write(append([]string{strconv.Itoa(run), strconv.FormatUint(seed, 10)}, roundFigures(round)...))
	if err != nil {
		return fmt.Errorf("write %s: %w", r.tmp.Name(), err)
	}
	return nil
}

// commit puts the file into its place.
func (r *roundsFile) commit() error {
	r.csv.Flush()
	if err := errors.Join(r.csv.Error(), r.tmp.Close()); err != nil {
		return err
	}
	return os.Rename(r.tmp.Name(), r.file)
}

// discard throws away what was not committed.
func (r *roundsFile) discard() {
	r.tmp.Close()
	os.Remove(r.tmp.Name())
}

// prepareDirectory makes dir if there is none, and finds out whether files can be written there.
func prepareDirectory(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, ".write-*")
	if err != nil {
		return err
	}
	return errors.Join(tmp.Close(), os.Remove(tmp.Name()))
}

// reason is why a file could not be opened, without its name, which the user knows.
func reason(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}

// roundWords are the names of the figures of a round, in order; roundFigures are those of one round.
func roundWords() []string {
	var words []string
	for t, i := reflect.TypeFor[sim.Round](), 0; i < t.NumField(); i++ {
		word, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		words = append(words, word)
	}
	return words
}

func roundFigures(r sim.Round) []string {
	var figures []string
	for v, i := reflect.ValueOf(r), 0; i < v.NumField(); i++ {
		switch x := v.Field(i).Interface().(type) {
		case float64:
			figures = append(figures, strconv.FormatFloat(x, 'f', -1, 64))
		default:
			figures = append(figures, fmt.Sprint(x))
		}
	}
	return figures
}
