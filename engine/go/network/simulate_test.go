package network

import (
	"net/netip"
	"slices"
	"testing"
)

// packet is the first of a connection: answers never reach the rules.
type packet struct {
	from, to netip.Addr
	protocol string
	port     uint16
}

// allows does with a packet what the kernel does with the written rules: first
// the sender's side, then the receiver's.
func (rs *Ruleset) allows(t *testing.T, p packet) bool {
	t.Helper()
	if rs.Sets[hairpinSet(familyOf(p.from))].Elements[p.from.String()+" . "+p.to.String()] {
		return true
	}
	for _, d := range directions {
		subject := p.from
		if d == Ingress {
			subject = p.to
		}
		chain, isolated := rs.Isolated[d][subject]
		if isolated && rs.verdict(t, chain, p) != "accept" {
			return false
		}
	}
	return true
}

func (rs *Ruleset) verdict(t *testing.T, chain string, p packet) string {
	t.Helper()
	rules, exists := rs.Chains[chain]
	if !exists {
		t.Fatalf("no chain %s", chain)
	}
	for _, r := range rules {
		if !rs.matches(t, r, p) {
			continue
		}
		switch {
		case r.Accept:
			return "accept"
		case r.Deny:
			return "deny"
		case r.Jump != "":
			if v := rs.verdict(t, r.Jump, p); v != "" {
				return v
			}
		}
	}
	return ""
}

func (rs *Ruleset) matches(t *testing.T, r Rule, p packet) bool {
	t.Helper()
	peer := p.from
	if r.Direction == Egress {
		peer = p.to
	}
	in := func(set, element string) bool {
		s, exists := rs.Sets[set]
		if !exists {
			t.Fatalf("no set %s", set)
		}
		return s.Elements[element]
	}
	contains := func(b netip.Prefix) bool { return b.Contains(peer) }
	switch {
	case r.Family != "" && r.Family != familyOf(peer):
	case r.PeerSet != "" && !in(r.PeerSet, peer.String()):
	case r.Block.IsValid() && !contains(r.Block):
	case slices.ContainsFunc(r.Except, contains):
	case r.Protocol != "" && r.Protocol != p.protocol:
	case len(r.Ports) > 0 && !slices.ContainsFunc(r.Ports, func(x PortRange) bool { return x.First <= p.port && p.port <= x.Last }):
	case r.NamedPort != "" && !in(r.NamedPort, netip.AddrPortFrom(p.to, p.port).Addr().String()+" . "+itoa(p.port)):
	default:
		return true
	}
	return false
}
