package examples

import (
	"context"
	"testing"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	corehost "github.com/libp2p/go-libp2p/core/host"
)

// subscribe joins the topic "chat" on h without discovery: a member whom others find.
func subscribe(t testing.TB, h corehost.Host) *pubsub.Subscription {
	t.Helper()
	ps, err := pubsub.NewGossipSub(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	topic, err := ps.Join("chat")
	if err != nil {
		t.Fatal(err)
	}
	sub, err := topic.Subscribe()
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

// TestPubSubDiscovery: who knows nobody but a source reaches all members of a topic. Negative control: with a source
// that has nobody the topic stays empty.
func TestPubSubDiscovery(t *testing.T) {
	hosts, svc := overlay(t, 5)
	var subs []*pubsub.Subscription
	for _, h := range hosts {
		subs = append(subs, subscribe(t, h))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	publish := func(ctx context.Context, ps *pubsub.PubSub) (*pubsub.Topic, error) {
		topic, err := ps.Join("chat")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := topic.Subscribe(); err != nil { // or gossipsub has no mesh that could be large enough
			t.Fatal(err)
		}
		return topic, topic.Publish(ctx, []byte("hello"), pubsub.WithReadiness(pubsub.MinTopicSize(len(hosts))))
	}
	ps, err := NewPubSub(t.Context(), newHost(t), bound(t, svc), "chat")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := publish(ctx, ps); err != nil {
		t.Fatalf("publish: %v", err)
	}
	for i, sub := range subs {
		m, err := sub.Next(ctx)
		if err != nil || string(m.Data) != "hello" {
			t.Errorf("member %d got %v, %v", i, m, err)
		}
	}

	nobody := newHost(t)
	control, err := NewPubSub(t.Context(), nobody, bound(t, nil), "chat")
	if err != nil {
		t.Fatal(err)
	}
	short, stop := context.WithTimeout(ctx, 3*time.Second) // pubsub asks every second
	defer stop()
	topic, _ := publish(short, control) // waits in vain, and may publish to nobody then
	if n := len(nobody.Network().Peers()) + len(topic.ListPeers()); n != 0 {
		t.Errorf("the control has %d peers", n)
	}
}
