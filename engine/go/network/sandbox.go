package network

import (
	"context"
	"maps"
	"os"
	"sync"
	"time"

	"github.com/containerd/nri/pkg/api"
	"github.com/containerd/nri/pkg/stub"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
)

// The container runtime knows a pod's address before the pod's first container
// starts; the API server hears of it about a second after. The runtime's plugin
// interface (NRI) tells us, and waits for our answer: a selected pod runs no
// moment unprotected, and none unknown to its peers on this node.

// settleLimit stays below the two seconds that the runtime allows a plugin.
const settleLimit = 1500 * time.Millisecond

// sandboxes are this node's pods that the runtime started while we listened.
type sandboxes struct {
	mu   sync.Mutex
	byID map[string]*v1.Pod // runtime's identifier → pod
}

func newSandboxes() *sandboxes { return &sandboxes{byID: map[string]*v1.Pod{}} }

// merge gives local pods the addresses that the runtime gave them, and adds the
// pods that the API server has not told us of yet.
func (s *sandboxes) merge(node string, pods []*v1.Pod) []*v1.Pod {
	s.mu.Lock()
	defer s.mu.Unlock()
	running := map[types.UID]*v1.Pod{}
	for _, p := range s.byID {
		running[p.UID] = p
	}
	merged := make([]*v1.Pod, 0, len(pods))
	for _, p := range pods {
		if r := running[p.UID]; r != nil && p.Spec.NodeName == node {
			p = p.DeepCopy()
			p.Status.PodIPs = r.Status.PodIPs
			delete(running, r.UID)
		}
		merged = append(merged, p)
	}
	for _, p := range running {
		p = p.DeepCopy()
		p.Spec.NodeName = node
		merged = append(merged, p)
	}
	return merged
}

func (s *sandboxes) set(p *api.PodSandbox) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Only one sandbox of a pod is alive: a new one replaces the old.
	maps.DeleteFunc(s.byID, func(_ string, old *v1.Pod) bool { return string(old.UID) == p.Uid })
	s.byID[p.Id] = podOf(p)
}

func (s *sandboxes) remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, id)
}

func (s *sandboxes) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.byID)
}

func podOf(p *api.PodSandbox) *v1.Pod {
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: p.Name, Namespace: p.Namespace, UID: types.UID(p.Uid), Labels: p.Labels,
	}}
	for _, ip := range p.Ips {
		pod.Status.PodIPs = append(pod.Status.PodIPs, v1.PodIP{IP: ip})
	}
	return pod
}

// runtimePlugin hears from the container runtime.
type runtimePlugin struct{ e *enforcer }

// Synchronize is told, on connecting, which pods exist already, ended ones among
// them. Those that run are known from the API server: no need to tell them apart.
func (p runtimePlugin) Synchronize(context.Context, []*api.PodSandbox, []*api.Container) ([]*api.ContainerUpdate, error) {
	p.e.sandboxes.clear()
	p.e.trigger()
	return nil, nil
}

// RunPodSandbox holds a new pod's containers back until its rules are there.
func (p runtimePlugin) RunPodSandbox(_ context.Context, s *api.PodSandbox) error {
	if len(s.Ips) == 0 { // on the node's own network
		return nil
	}
	p.e.sandboxes.set(s)
	if !p.e.settle(settleLimit) {
		klog.InfoS("Pod starts before its network policies are written", "pod", klog.KRef(s.Namespace, s.Name))
	}
	return nil
}

func (p runtimePlugin) StopPodSandbox(_ context.Context, s *api.PodSandbox) error {
	p.e.sandboxes.remove(s.Id)
	p.e.trigger()
	return nil
}

// followRuntime stays connected to the container runtime. Without it, new pods
// are protected as soon as the API server knows their addresses.
func (e *enforcer) followRuntime(ctx context.Context, socket string) {
	select {
	case <-e.applied:
	case <-ctx.Done():
	}
	for ; ctx.Err() == nil; sleep(ctx, 2*time.Second) {
		if _, err := os.Stat(socket); err != nil {
			klog.V(2).InfoS("The container runtime does not announce pods here", "err", err)
			continue
		}
		plugin, err := stub.New(runtimePlugin{e}, stub.WithPluginName("kindnet"), stub.WithPluginIdx("10"),
			stub.WithSocketPath(socket), stub.WithOnClose(func() {}), stub.WithLogger(runtimeLog{}))
		if err == nil {
			err = plugin.Run(ctx)
		}
		e.sandboxes.clear() // what it tells may be missed from now on
		if ctx.Err() == nil {
			klog.ErrorS(err, "Not connected to the container runtime; trying again")
		}
	}
}

// runtimeLog sends what the plugin library says where all else goes.
type runtimeLog struct{}

func (runtimeLog) Debugf(_ context.Context, f string, args ...any) {
	klog.V(4).Infof("NRI: "+f, args...)
}
func (runtimeLog) Infof(_ context.Context, f string, args ...any) {
	klog.V(2).Infof("NRI: "+f, args...)
}
func (runtimeLog) Warnf(_ context.Context, f string, args ...any)  { klog.Warningf("NRI: "+f, args...) }
func (runtimeLog) Errorf(_ context.Context, f string, args ...any) { klog.Errorf("NRI: "+f, args...) }
