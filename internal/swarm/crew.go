package swarm

import (
	"math"
	"math/rand/v2"
	"time"

	corehost "github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/brahms-p2p/brahms-p2p/internal/attack"
)

// crew is the faulty peers of a run. With the attack "none" they run the service as the others do, and have no adversary.
type crew struct {
	numbers   map[int]bool
	ids       map[peer.ID]bool // the same, as soon as their hosts are there
	adversary *attack.Adversary
	victim    *attack.Victim
}

// closedPorts is how many addresses invented peers are said to live at.
const closedPorts = 32

// recruit decides who is faulty, before any host is made.
func (r *run) recruit() error {
	c := &r.crew
	c.numbers, c.ids = make(map[int]bool), make(map[peer.ID]bool)
	for _, i := range rand.New(stream(r.cfg.Seed, "faulty", 0)).Perm(r.cfg.Peers)[:r.cfg.faulty()] {
		c.numbers[i] = true
	}
	if !r.cfg.attacked() {
		return nil
	}
	cfg := attack.Config{
		Attack: r.cfg.Attack, Rate: r.cfg.AttackRate, Interval: r.cfg.Interval,
		Pushes: r.cfg.pushes(), Answer: r.cfg.l1(), Seed: subseed(r.cfg.Seed, "attack", 0), NewHost: r.newHost,
		TokenBits: r.cfg.TokenBits, Compute: r.cfg.AttackCompute,
	}
	var err error
	if cfg.Closed, err = attack.ClosedPorts(closedPorts); err != nil {
		return err
	}
	if attack.NeedsVictim(r.cfg.Attack) {
		if c.victim, err = attack.NewVictim(time.Now); err != nil {
			return err
		}
		cfg.Victim = c.victim.Addr()
	}
	c.adversary, err = attack.New(cfg)
	return err
}

func (r *run) newHost(i int) (corehost.Host, error) {
	var counted *meter
	if !r.crew.numbers[i] {
		counted = r.meter
	}
	return newHost(r.cfg, i, r.crew.victim, r.cut, counted)
}

// l1 and pushes are the slots of a view and what a correct peer pushes a round, alpha*l1, as the presets have them.
func (c Config) l1() int {
	if c.L1 != 0 {
		return c.L1
	}
	return 40
}

func (c Config) pushes() int {
	alpha := .4
	if c.Preset == "paper" {
		alpha = .45
	}
	return int(math.Round(alpha * float64(c.l1())))
}

// leads reports whether the adversary runs m.
func (c *crew) leads(m *member) bool { return c.adversary != nil && m.faulty }

// meet tells the adversary of a correct peer that has started, lose of one that died.
func (c *crew) meet(m *member) {
	if c.adversary != nil {
		c.adversary.Meet(peer.AddrInfo{ID: m.id, Addrs: m.host.Addrs()})
	}
}

func (c *crew) lose(m *member) {
	if c.adversary != nil {
		c.adversary.Lose(m.id)
	}
}

func (c *crew) start() {
	if c.adversary != nil {
		c.adversary.Start()
	}
}

func (c *crew) close() {
	if c.adversary != nil {
		c.adversary.Close()
	}
	if c.victim != nil {
		c.victim.Close()
	}
}
