package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strconv"

	"github.com/brahms-p2p/brahms-p2p/internal/atomicfile"
	"github.com/brahms-p2p/brahms-p2p/internal/sim"
)

// roundsFile is a file of rounds as CSV that appears when all of them are in it.
type roundsFile struct {
	file *atomicfile.File
	csv  *csv.Writer
}

// newRoundsFile finds out whether file can be written. It leaves it as it is.
func newRoundsFile(file string) (*roundsFile, error) {
	f, err := atomicfile.Create(file)
	if err != nil {
		return nil, err
	}
	r := &roundsFile{file: f, csv: csv.NewWriter(f)}
	return r, r.csv.Write(append([]string{"run", "seed"}, sim.RoundWords()...))
}

// add appends a round of the run of that number, from 1.
func (r *roundsFile) add(run int, seed uint64, round sim.Round) error {
	return r.csv.Write(append([]string{strconv.Itoa(run), strconv.FormatUint(seed, 10)}, roundFigures(round)...))
}

// commit puts the file into its place.
func (r *roundsFile) commit() error {
	r.csv.Flush()
	if err := r.csv.Error(); err != nil {
		return err
	}
	return r.file.Commit()
}

// discard throws away what was not committed.
func (r *roundsFile) discard() { r.file.Discard() }

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

// roundFigures are the figures of a round, in the order of sim.RoundWords.
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
