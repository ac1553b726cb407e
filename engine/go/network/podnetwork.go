package network

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"sigs.k8s.io/knftables"
)

const (
	masqueradeTable = "cahier-masquerade"
	// routeProtocol marks our routes, so that we find those to delete.
	routeProtocol = 87
	repairEvery   = time.Minute
)

// podNetwork gives this node's pods their range, a way to the other nodes' pods
// and a way out.
type podNetwork struct {
	node    string
	cniFile string
	ranges  []netip.Prefix
	nodes   corelisters.NodeLister
	synced  cache.InformerSynced
	changed chan struct{}
	problem atomic.Pointer[error]
}

func newPodNetwork(o *options, factory informers.SharedInformerFactory, ranges []netip.Prefix) *podNetwork {
	nodes := factory.Core().V1().Nodes()
	p := &podNetwork{
		node: o.node, cniFile: o.cniFile, ranges: ranges,
		nodes: nodes.Lister(), changed: make(chan struct{}, 1),
	}
	registration, err := nodes.Informer().AddEventHandler(notify(p.trigger))
	if err != nil { // only if the informer has stopped
		panic(err)
	}
	p.synced = registration.HasSynced
	p.report(errors.New("pod network not set up yet"))
	return p
}

func (p *podNetwork) trigger() {
	select {
	case p.changed <- struct{}{}:
	default: // already due
	}
}

func (p *podNetwork) report(err error) { p.problem.Store(&err) }
func (p *podNetwork) healthy() error   { return *p.problem.Load() }

func (p *podNetwork) run(ctx context.Context) error {
	if err := p.masquerade(ctx); err != nil {
		return fmt.Errorf("masquerading: %w", explain(err))
	}
	if !cache.WaitForCacheSync(ctx.Done(), p.synced) {
		return nil
	}
	next := time.NewTimer(0)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.changed:
		case <-next.C:
		}
		err := p.sync()
		p.report(err)
		if err != nil {
			klog.ErrorS(err, "Pod network incomplete; trying again")
			next.Reset(time.Second)
		} else {
			next.Reset(repairEvery)
		}
	}
}

// sync sets up the routes first: pods start once the configuration is there.
func (p *podNetwork) sync() error {
	nodes, err := p.nodes.List(labels.Everything())
	if err != nil {
		return err
	}
	i := slices.IndexFunc(nodes, func(n *v1.Node) bool { return n.Name == p.node })
	if i < 0 {
		return fmt.Errorf("node %s is not known yet", p.node)
	}
	own := nodes[i]
	if len(own.Spec.PodCIDRs) == 0 {
		return fmt.Errorf("node %s has no range for pods yet", p.node)
	}
	err = syncRoutes(wantedRoutes(slices.Delete(slices.Clone(nodes), i, i+1)))
	return errors.Join(err, writeConfig(p.cniFile, cniConfig(own.Spec.PodCIDRs, mtu(own))))
}

// wantedRoutes maps the range of each node's pods to the node's own address.
func wantedRoutes(nodes []*v1.Node) map[netip.Prefix]netip.Addr {
	routes := map[netip.Prefix]netip.Addr{}
	for _, n := range nodes {
		for _, text := range n.Spec.PodCIDRs {
			dst, err := netip.ParsePrefix(text)
			if err != nil {
				continue
			}
			for _, gw := range nodeAddresses(n) {
				if gw.Is4() == dst.Addr().Is4() {
					routes[dst] = gw
					break
				}
			}
		}
	}
	return routes
}

func nodeAddresses(n *v1.Node) []netip.Addr {
	var addresses []netip.Addr
	for _, a := range n.Status.Addresses {
		if ip, err := netip.ParseAddr(a.Address); err == nil && a.Type == v1.NodeInternalIP {
			addresses = append(addresses, ip)
		}
	}
	return addresses
}

func syncRoutes(wanted map[netip.Prefix]netip.Addr) error {
	present, err := netlink.RouteListFiltered(unix.AF_UNSPEC, &netlink.Route{Protocol: routeProtocol}, netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return fmt.Errorf("listing routes: %w", err)
	}
	var errs []error
	missing := map[netip.Prefix]netip.Addr{}
	for dst, gw := range wanted {
		missing[dst] = gw
	}
	for _, r := range present {
		dst, gw := prefixOf(r.Dst), addressOf(r.Gw)
		if wanted[dst] == gw {
			delete(missing, dst)
		} else if _, replaced := wanted[dst]; !replaced {
			klog.InfoS("Removing route", "to", dst, "via", gw)
			errs = append(errs, netlink.RouteDel(&r))
		}
	}
	for dst, gw := range missing {
		klog.InfoS("Setting route", "to", dst, "via", gw)
		if err := netlink.RouteReplace(&netlink.Route{
			Dst: &net.IPNet{IP: dst.Addr().AsSlice(), Mask: net.CIDRMask(dst.Bits(), dst.Addr().BitLen())},
			Gw:  gw.AsSlice(), Protocol: routeProtocol,
		}); err != nil {
			errs = append(errs, fmt.Errorf("route to %s via %s: %w", dst, gw, err))
		}
	}
	return errors.Join(errs...)
}

func prefixOf(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(addressOf(n.IP), bits)
}

func addressOf(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}

// mtu returns that of the interface with the node's address.
func mtu(n *v1.Node) int {
	addresses := nodeAddresses(n)
	interfaces, _ := net.Interfaces()
	for _, i := range interfaces {
		own, _ := i.Addrs()
		for _, a := range own {
			if n, ok := a.(*net.IPNet); ok && slices.Contains(addresses, addressOf(n.IP)) {
				return i.MTU
			}
		}
	}
	return 1500
}

// cniConfig gives each pod a veth pair of its own and an address from this
// node's ranges. It does not masquerade: that would hide pods from each other
// across nodes; see masquerade.
func cniConfig(podCIDRs []string, mtu int) []byte {
	type object map[string]any
	var ranges [][]object
	var routes []object
	for _, cidr := range podCIDRs {
		ranges = append(ranges, []object{{"subnet": cidr}})
		dst := "0.0.0.0/0"
		if p, err := netip.ParsePrefix(cidr); err == nil && p.Addr().Is6() {
			dst = "::/0"
		}
		routes = append(routes, object{"dst": dst})
	}
	ipam := object{"type": "host-local", "dataDir": "/run/cni-ipam-state", "ranges": ranges, "routes": routes}
	text, _ := json.MarshalIndent(object{
		"cniVersion": "0.4.0",
		"name":       "kindnet",
		"plugins": []object{
			{"type": "ptp", "ipMasq": false, "mtu": mtu, "ipam": ipam},
			{"type": "portmap", "capabilities": object{"portMappings": true}},
		},
	}, "", "  ")
	return append(text, '\n')
}

// writeConfig replaces the file in one step: the runtime reads it at any time.
func writeConfig(path string, text []byte) error {
	if present, err := os.ReadFile(path); err == nil && bytes.Equal(present, text) {
		return nil
	}
	tmp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp")
	if err := os.WriteFile(tmp, text, 0o644); err != nil {
		return err
	}
	klog.InfoS("Writing the runtime's network configuration", "path", path)
	return os.Rename(tmp, path)
}

// masquerade gives pods the node's address towards everything but pods.
func (p *podNetwork) masquerade(ctx context.Context) error {
	nft, err := knftables.New(knftables.InetFamily, masqueradeTable)
	if err != nil {
		return err
	}
	tx := nft.NewTransaction()
	tx.Add(&knftables.Table{})
	tx.Delete(&knftables.Table{})
	tx.Add(&knftables.Table{Comment: knftables.PtrTo("pods leaving the cluster")})
	tx.Add(&knftables.Chain{
		Name: "postrouting", Type: knftables.PtrTo(knftables.NATType), Hook: knftables.PtrTo(knftables.PostroutingHook),
		Priority: knftables.PtrTo(knftables.SNATPriority),
	})
	for _, source := range p.ranges {
		ip := familyOf(source.Addr()).header()
		rule := fmt.Sprintf("%s saddr %s", ip, source)
		for _, other := range p.ranges {
			if other.Addr().Is4() == source.Addr().Is4() {
				rule += fmt.Sprintf(" %s daddr != %s", ip, other)
			}
		}
		tx.Add(&knftables.Rule{Chain: "postrouting", Rule: rule + " fib daddr type != local masquerade fully-random"})
	}
	return nft.Run(ctx, tx)
}
