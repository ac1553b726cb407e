package network

import (
	"context"
	"errors"
	"os/exec"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"sigs.k8s.io/knftables"
)

const (
	// coalesce gathers the events that follow a change, before one update.
	coalesce = 30 * time.Millisecond
	// healEvery rewrites the table, in case someone else flushed it.
	healEvery = 5 * time.Minute
)

// enforcer keeps the node's policy table in step with the cluster.
type enforcer struct {
	node, deny string
	enforce    bool
	nft        knftables.Interface

	pods       corelisters.PodLister
	namespaces corelisters.NamespaceLister
	policies   networkinglisters.NetworkPolicyLister
	synced     []cache.InformerSynced
	sandboxes  *sandboxes

	changed chan struct{} // holds one token when there is something to do
	applied chan struct{} // closed after the first update

	mu      sync.Mutex
	rounds  sync.Cond // signalled after each update
	started uint64    // updates begun
	done    uint64    // the last update that succeeded
	lastErr error
	current *Ruleset // what the kernel has; nil if unknown
}

func newEnforcer(node, deny string, enforce bool) (*enforcer, error) {
	nft, err := knftables.New(knftables.InetFamily, policyTable)
	if err != nil {
		return nil, err
	}
	e := &enforcer{
		node: node, deny: deny, enforce: enforce, nft: nft,
		sandboxes: newSandboxes(),
		changed:   make(chan struct{}, 1),
		applied:   make(chan struct{}),
		lastErr:   errors.New("policies not applied yet"),
	}
	e.rounds.L = &e.mu
	return e, nil
}

func (e *enforcer) watch(factory informers.SharedInformerFactory) {
	pods, namespaces := factory.Core().V1().Pods(), factory.Core().V1().Namespaces()
	policies := factory.Networking().V1().NetworkPolicies()
	e.pods, e.namespaces, e.policies = pods.Lister(), namespaces.Lister(), policies.Lister()
	for _, informer := range []cache.SharedIndexInformer{pods.Informer(), namespaces.Informer(), policies.Informer()} {
		registration, err := informer.AddEventHandler(notify(e.trigger))
		if err != nil { // only if the informer has stopped
			panic(err)
		}
		e.synced = append(e.synced, registration.HasSynced)
	}
}

// notify calls f when an object changes in something that strip leaves.
func notify(f func()) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { f() },
		DeleteFunc: func(any) { f() },
		UpdateFunc: func(old, new any) {
			if !sameContent(old, new) {
				f()
			}
		},
	}
}

func sameContent(old, new any) bool {
	switch o := old.(type) {
	case *v1.Pod:
		n := new.(*v1.Pod)
		return o.UID == n.UID && equality.Semantic.DeepEqual(o.Labels, n.Labels) &&
			equality.Semantic.DeepEqual(o.Spec, n.Spec) && equality.Semantic.DeepEqual(o.Status, n.Status)
	case *v1.Namespace:
		return equality.Semantic.DeepEqual(o.Labels, new.(*v1.Namespace).Labels)
	case *v1.Node:
		n := new.(*v1.Node)
		return equality.Semantic.DeepEqual(o.Spec, n.Spec) && equality.Semantic.DeepEqual(o.Status, n.Status)
	case *networkingv1.NetworkPolicy:
		return equality.Semantic.DeepEqual(o.Spec, new.(*networkingv1.NetworkPolicy).Spec)
	}
	return false
}

// strip keeps of each watched object what this program uses, to spare memory.
func strip(obj any) (any, error) {
	if m, err := meta.Accessor(obj); err == nil {
		m.SetManagedFields(nil)
		m.SetAnnotations(nil)
	}
	switch o := obj.(type) {
	case *v1.Pod:
		o.Spec = v1.PodSpec{
			NodeName: o.Spec.NodeName, HostNetwork: o.Spec.HostNetwork,
			Containers: stripContainers(o.Spec.Containers), InitContainers: stripContainers(o.Spec.InitContainers),
		}
		o.Status = v1.PodStatus{Phase: o.Status.Phase, PodIPs: o.Status.PodIPs}
	case *v1.Node:
		o.Spec = v1.NodeSpec{PodCIDR: o.Spec.PodCIDR, PodCIDRs: o.Spec.PodCIDRs}
		o.Status = v1.NodeStatus{Addresses: o.Status.Addresses}
	}
	return obj, nil
}

func stripContainers(containers []v1.Container) []v1.Container {
	var kept []v1.Container
	for _, c := range containers {
		if len(c.Ports) > 0 {
			kept = append(kept, v1.Container{Ports: c.Ports, RestartPolicy: c.RestartPolicy})
		}
	}
	return kept
}

func (e *enforcer) trigger() {
	select {
	case e.changed <- struct{}{}:
	default: // already due
	}
}

// run applies what changes until ctx ends, and then leaves the rules in place:
// pods stay protected while this program is replaced.
func (e *enforcer) run(ctx context.Context) error {
	if !e.enforce {
		return e.remove(ctx)
	}
	if !cache.WaitForCacheSync(ctx.Done(), e.synced...) {
		return nil
	}
	e.trigger()
	heal := time.NewTicker(healEvery)
	defer heal.Stop()
	backoff := wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Cap: 10 * time.Second, Steps: 8}
	retry := backoff
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-heal.C:
			e.forget()
			e.trigger()
			continue
		case <-e.changed:
		}
		if !sleep(ctx, coalesce) {
			return nil
		}
		if err := e.apply(ctx); err != nil && ctx.Err() == nil {
			klog.ErrorS(err, "Could not write the network policies; trying again")
			if !sleep(ctx, retry.Step()) {
				return nil
			}
			e.trigger()
		} else {
			retry = backoff
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// remove deletes the table: this node enforces nothing.
func (e *enforcer) remove(ctx context.Context) error {
	tx := e.nft.NewTransaction()
	tx.Add(&knftables.Table{})
	tx.Delete(&knftables.Table{})
	if err := e.nft.Run(ctx, tx); err != nil {
		return err
	}
	klog.InfoS("NetworkPolicy is not enforced on this node")
	e.end(e.begin(), nil)
	return nil
}

// forget makes the next update write the whole table.
func (e *enforcer) forget() { e.current = nil }

// apply brings the kernel in step with what is known now.
func (e *enforcer) apply(ctx context.Context) error {
	round := e.begin()
	start := time.Now()
	state, err := e.state()
	if err == nil {
		rs := Compile(state)
		err = e.write(ctx, rs, start)
	}
	e.end(round, err)
	return err
}

func (e *enforcer) write(ctx context.Context, rs *Ruleset, start time.Time) error {
	tx := e.nft.NewTransaction()
	whole := e.current == nil
	if whole {
		rebuild(tx, rs, e.deny)
	} else {
		update(tx, e.current, rs)
	}
	if tx.NumOperations() == 0 {
		return nil
	}
	compiled := time.Since(start)
	if err := e.nft.Run(ctx, tx); err != nil {
		e.forget()
		return explain(err)
	}
	e.current = rs
	klog.InfoS("Network policies written", "whole", whole, "operations", tx.NumOperations(),
		"isolated", len(rs.Isolated[Ingress])+len(rs.Isolated[Egress]),
		"compiling", compiled.Round(time.Microsecond), "total", time.Since(start).Round(time.Microsecond))
	return nil
}

// explain adds what nft said: without it the error is an exit status.
func explain(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		return errors.New(string(exit.Stderr[:min(len(exit.Stderr), 1000)]))
	}
	return err
}

func (e *enforcer) state() (State, error) {
	s := State{Node: e.node}
	pods, err := e.pods.List(labels.Everything())
	if err != nil {
		return s, err
	}
	s.Pods = e.sandboxes.merge(e.node, pods)
	if s.Namespaces, err = e.namespaces.List(labels.Everything()); err != nil {
		return s, err
	}
	s.Policies, err = e.policies.List(labels.Everything())
	return s, err
}

func (e *enforcer) begin() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.started++
	return e.started
}

func (e *enforcer) end(round uint64, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lastErr = err
	if err != nil {
		return
	}
	if e.done == 0 {
		close(e.applied)
	}
	e.done = round
	e.rounds.Broadcast()
}

// settle waits, for a limited time, until an update that began after the call
// has reached the kernel.
func (e *enforcer) settle(limit time.Duration) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	wanted := e.started + 1
	e.trigger()
	expired := false
	timer := time.AfterFunc(limit, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		expired = true
		e.rounds.Broadcast()
	})
	defer timer.Stop()
	for e.done < wanted && !expired {
		e.rounds.Wait()
	}
	return e.done >= wanted
}

func (e *enforcer) healthy() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.lastErr
}
