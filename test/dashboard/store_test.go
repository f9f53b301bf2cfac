package dashboard

import (
	"context"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// A store keeps series in memory. Prometheus' own database would do too; it takes longer to compile than all tests to run.
type store struct {
	order  []labels.Labels
	series map[string][]chunks.Sample
}

// sample is one value.
type sample struct {
	at    int64 // in milliseconds
	value float64
}

func (s sample) ST() int64                     { return 0 }
func (s sample) T() int64                      { return s.at }
func (s sample) F() float64                    { return s.value }
func (s sample) H() *histogram.Histogram       { return nil }
func (s sample) FH() *histogram.FloatHistogram { return nil }
func (s sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample           { return s }

func (s *store) add(l labels.Labels, v sample) {
	key := l.String()
	if _, ok := s.series[key]; !ok {
		s.order = append(s.order, l)
	}
	s.series[key] = append(s.series[key], v)
}

func (s *store) Querier(int64, int64) (storage.Querier, error) { return querier{s: s}, nil }

// querier answers the engine from a store.
type querier struct {
	storage.LabelQuerier // of which the engine asks nothing
	s                    *store
}

func (q querier) Close() error { return nil }

func (q querier) Select(_ context.Context, sorted bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	set := &seriesSet{at: -1}
	for _, l := range q.s.order {
		if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(l.Get(m.Name)) }) {
			set.all = append(set.all, storage.NewListSeries(l, q.s.series[l.String()]))
		}
	}
	if sorted {
		slices.SortFunc(set.all, func(a, b storage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
	}
	return set
}

type seriesSet struct {
	all []storage.Series
	at  int
}

func (s *seriesSet) Next() bool                        { s.at++; return s.at < len(s.all) }
func (s *seriesSet) At() storage.Series                { return s.all[s.at] }
func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return nil }
