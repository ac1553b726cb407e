package network

import (
	"net/netip"
	"slices"
	"strings"

	"sigs.k8s.io/knftables"
)

// The table of the network policies, all ours.
const (
	policyTable = "cahier-network-policies"
	denyChain   = "deny"
)

// How denied packets end.
const (
	Drop   = "drop"   // the sender waits until it gives up
	Reject = "reject" // the sender is told at once
)

// rebuild writes the whole table. The kernel replaces the old one, if any, in
// one step: there is no moment without rules.
func rebuild(tx *knftables.Transaction, rs *Ruleset, deny string) {
	tx.Add(&knftables.Table{})
	tx.Delete(&knftables.Table{})
	tx.Add(&knftables.Table{Comment: knftables.PtrTo("Kubernetes NetworkPolicy")})
	addDenyChain(tx, deny)
	for _, d := range directions {
		for _, f := range families {
			tx.Add(&knftables.Map{Name: isolatedMap(d, f), Type: f.addressType() + " : verdict"})
		}
	}
	update(tx, &Ruleset{}, rs)
	for _, d := range directions {
		addBaseChain(tx, d)
	}
}

// addBaseChain makes a hook per direction, so that accepting a packet for its
// sender ends the first and still leaves the receiver its say in the second.
// The forward hook comes after a Service's address was replaced by a pod's, and
// spares what the node itself sends to its pods: probes, above all.
func addBaseChain(tx *knftables.Transaction, d Direction) {
	chain := &knftables.Chain{
		Name: string(d), Type: knftables.PtrTo(knftables.FilterType), Hook: knftables.PtrTo(knftables.ForwardHook),
		Priority: knftables.PtrTo(knftables.FilterPriority),
	}
	if d == Ingress {
		chain.Priority = knftables.PtrTo(knftables.FilterPriority + "+1")
	}
	tx.Add(chain)
	rule := func(words ...string) {
		tx.Add(&knftables.Rule{Chain: chain.Name, Rule: strings.Join(words, " ")})
	}
	rule("ct state established,related accept")
	for _, f := range families {
		ip := f.header()
		rule(ip, "saddr .", ip, "daddr @"+hairpinSet(f), "accept")
	}
	for _, f := range families {
		rule(f.header(), d.subject(), "vmap @"+isolatedMap(d, f))
	}
}

func addDenyChain(tx *knftables.Transaction, deny string) {
	tx.Add(&knftables.Chain{Name: denyChain})
	rules := []string{"counter drop"}
	if deny == Reject {
		rules = []string{"counter", "meta l4proto tcp reject with tcp reset", "reject with icmpx type admin-prohibited"}
	}
	for _, r := range rules {
		tx.Add(&knftables.Rule{Chain: denyChain, Rule: r})
	}
}

func isolatedMap(d Direction, f Family) string { return "isolated-" + string(d) + "-ipv" + string(f) }

// update writes what turns the old ruleset into the new one, in an order in
// which nothing is named before it exists or deleted while it is in use.
func update(tx *knftables.Transaction, old, new *Ruleset) {
	for _, name := range sortedKeys(new.Sets) {
		if _, exists := old.Sets[name]; !exists {
			addSet(tx, name, new.Sets[name])
		}
	}
	for _, name := range sortedKeys(new.Chains) {
		if _, exists := old.Chains[name]; !exists {
			tx.Add(&knftables.Chain{Name: name})
		}
	}
	for _, name := range sortedKeys(new.Chains) {
		updateChain(tx, name, old.Chains[name], new.Chains[name])
	}
	for _, name := range sortedKeys(new.Sets) {
		updateSet(tx, name, old.Sets[name].Elements, new.Sets[name].Elements)
	}
	for _, d := range directions {
		updateIsolated(tx, d, old.Isolated[d], new.Isolated[d])
	}
	removeUnused(tx, old, new)
}

func addSet(tx *knftables.Transaction, name string, s Set) {
	set := &knftables.Set{Name: name, Type: s.Type}
	if s.Comment != "" {
		set.Comment = knftables.PtrTo(s.Comment[:min(len(s.Comment), knftables.CommentLengthMax-1)])
	}
	tx.Add(set)
}

func updateChain(tx *knftables.Transaction, name string, old, new []Rule) {
	if slices.EqualFunc(old, new, func(a, b Rule) bool { return a.String() == b.String() }) {
		return
	}
	if len(old) > 0 {
		tx.Flush(&knftables.Chain{Name: name})
	}
	for _, r := range new {
		tx.Add(&knftables.Rule{Chain: name, Rule: r.String()})
	}
}

func updateSet(tx *knftables.Transaction, name string, old, new map[string]bool) {
	element := func(key string) *knftables.Element {
		return &knftables.Element{Set: name, Key: strings.Split(key, " . ")}
	}
	for _, key := range sortedKeys(old) {
		if !new[key] {
			tx.Delete(element(key))
		}
	}
	for _, key := range sortedKeys(new) {
		if !old[key] {
			tx.Add(element(key))
		}
	}
}

func updateIsolated(tx *knftables.Transaction, d Direction, old, new map[netip.Addr]string) {
	element := func(a netip.Addr, chain string) *knftables.Element {
		return &knftables.Element{
			Map: isolatedMap(d, familyOf(a)), Key: []string{a.String()}, Value: []string{"goto " + chain},
		}
	}
	for a, chain := range old {
		if new[a] != chain {
			tx.Delete(element(a, chain))
		}
	}
	for a, chain := range new {
		if old[a] != chain {
			tx.Add(element(a, chain))
		}
	}
}

func removeUnused(tx *knftables.Transaction, old, new *Ruleset) {
	var gone []string
	for _, name := range sortedKeys(old.Chains) {
		if _, kept := new.Chains[name]; !kept {
			gone = append(gone, name)
			tx.Flush(&knftables.Chain{Name: name}) // they may jump to each other
		}
	}
	for _, name := range gone {
		tx.Delete(&knftables.Chain{Name: name})
	}
	for _, name := range sortedKeys(old.Sets) {
		if _, kept := new.Sets[name]; !kept {
			tx.Delete(&knftables.Set{Name: name})
		}
	}
}
