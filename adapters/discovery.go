package adapters

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/discovery"
	"github.com/libp2p/go-libp2p/core/peer"
)

// AnyNamespace stands for all namespaces: all that the application looks for are peers of the overlay.
const AnyNamespace = "*"

// DefaultLimit is how many peers FindPeers gives if the caller sets no limit.
const DefaultLimit = 20

// AdvertiseTTL is for how long Advertise says that an advertisement holds, if the caller names no time.
const AdvertiseTTL = 3 * time.Hour

// PubsubTopic returns the namespace in which go-libp2p-pubsub looks for peers of a topic.
func PubsubTopic(topic string) string { return "floodsub:" + topic }

// A Discovery is a source as libp2p's discovery.Discovery: for pubsub.WithDiscovery, the backoff connector, and who
// else asks for peers of a namespace. It knows one set of peers, the overlay; in namespaces that are not said to be
// this overlay it fails with ErrNamespace, and does not pass off strangers as members.
type Discovery struct {
	source     *Source
	namespaces []string
}

var _ discovery.Discovery = (*Discovery)(nil)

// Discovery returns the source as a discovery of the given namespaces, one at least: those of which every peer of the
// overlay is a member. AnyNamespace stands for all.
func (s *Source) Discovery(namespaces ...string) (*Discovery, error) {
	if len(namespaces) == 0 {
		return nil, errors.New("adapters: say which namespaces are this overlay, or AnyNamespace")
	}
	return &Discovery{source: s, namespaces: slices.Clone(namespaces)}, nil
}

func (d *Discovery) check(ns string) error {
	if slices.Contains(d.namespaces, AnyNamespace) || slices.Contains(d.namespaces, ns) {
		return nil
	}
	return fmt.Errorf("%w: %q", ErrNamespace, ns)
}

// Advertise does nothing: to run a service is to be found by its peers. It returns how long the caller may rest: its
// own TTL, or AdvertiseTTL. It fails where no service runs.
func (d *Discovery) Advertise(_ context.Context, ns string, opts ...discovery.Option) (time.Duration, error) {
	var o discovery.Options
	if err := o.Apply(opts...); err != nil {
		return 0, err
	}
	if err := d.check(ns); err != nil {
		return 0, err
	}
	if err := d.source.active(); err != nil {
		return 0, err
	}
	if o.Ttl > 0 {
		return o.Ttl, nil
	}
	return AdvertiseTTL, nil
}

// FindPeers gives random peers: as many as there are, up to the limit of the caller (DefaultLimit) and the pace of the
// source. The channel is closed already: it never waits for more, and before the service runs it is empty.
func (d *Discovery) FindPeers(_ context.Context, ns string, opts ...discovery.Option) (<-chan peer.AddrInfo, error) {
	var o discovery.Options
	if err := o.Apply(opts...); err != nil {
		return nil, err
	}
	if o.Limit < 0 {
		return nil, fmt.Errorf("adapters: limit=%d must not be negative", o.Limit)
	}
	if err := d.check(ns); err != nil {
		return nil, err
	}
	if o.Limit == 0 {
		o.Limit = DefaultLimit
	}
	return d.source.channel(o.Limit), nil
}
