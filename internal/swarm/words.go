package swarm

import (
	"fmt"
	"math/rand/v2"
)

// words are what peers propose.
var words = [...]string{
	"amber", "anchor", "apple", "badger", "barley", "basalt", "beacon", "birch", "bramble", "breeze", "cedar", "chalk", "cherry",
	"cinder", "clover", "cobalt", "copper", "coral", "dahlia", "delta", "ember", "falcon", "fennel", "fern", "flint", "garnet",
	"ginger", "glacier", "granite", "harbor", "hazel", "heron", "indigo", "island", "ivory", "jasper", "juniper", "kestrel",
	"lagoon", "lantern", "larch", "lemon", "linden", "maple", "marble", "meadow", "nectar", "nutmeg", "ochre", "olive", "onyx",
	"orchid", "otter", "pebble", "plover", "quartz", "quince", "raven", "saffron", "sorrel", "thistle", "tundra", "walnut", "willow",
}

// wordsOf returns n distinct words, drawn by the seed.
func wordsOf(seed uint64, n int) []string {
	order := rand.New(stream(seed, "words", 0)).Perm(len(words))
	out := make([]string, n)
	for i := range out {
		out[i] = words[order[i%len(words)]]
		if i >= len(words) {
			out[i] = fmt.Sprintf("%s-%d", out[i], i/len(words)+1)
		}
	}
	return out
}
