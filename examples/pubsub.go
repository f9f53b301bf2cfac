package examples

import (
	"context"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	corehost "github.com/libp2p/go-libp2p/core/host"

	"github.com/brahms-p2p/brahms-p2p/adapters"
)

// NewPubSub starts gossipsub on h, which finds peers of the given topics among random peers of src: while a topic lacks
// peers, pubsub asks every second, and dials whom it is given. That is right for topics that most peers of the overlay
// have joined; others do not belong into the list.
func NewPubSub(ctx context.Context, h corehost.Host, src *adapters.Source, topics ...string) (*pubsub.PubSub, error) {
	var namespaces []string
	for _, topic := range topics {
		namespaces = append(namespaces, adapters.PubsubTopic(topic))
	}
	d, err := src.Discovery(namespaces...)
	if err != nil {
		return nil, err
	}
	return pubsub.NewGossipSub(ctx, h, pubsub.WithDiscovery(d))
}
