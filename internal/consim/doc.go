// Package consim simulates agreement on sets: many machines of consensus/machine, rounds in step, loss, faulty peers. One
// run is one epoch and one goroutine; equal configurations give equal results.
//
// What the sampler would give is drawn from its measured quality: a pick is faulty with the share that faulty peers have
// of samples (f itself) or of views (docs/simulation.md). Command internal/consim/consim prints tables of runs.
package consim
