// Package network is the pod network of a kind node, in the place of kindnetd:
// it gives pods their addresses, routes and way out, and enforces
// NetworkPolicy.
package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

type options struct {
	node       string
	kubeconfig string
	podSubnets []string
	cniFile    string
	nriSocket  string
	health     string
	enforce    bool
	deny       string
}

// NewCommand returns the program that the kindnet DaemonSet runs on each node.
func NewCommand() *cobra.Command {
	o := options{}
	cmd := &cobra.Command{
		Use:   "kindnet",
		Short: "Pod network and NetworkPolicy of a kind node",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return o.run(ctx)
		},
	}
	var subnets []string
	if s := os.Getenv("POD_SUBNET"); s != "" {
		subnets = strings.Split(s, ",")
	}
	f := cmd.Flags()
	f.StringVar(&o.node, "node", os.Getenv("NODE_NAME"), "this node's name (NODE_NAME)")
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "how to reach the cluster, from outside a pod")
	f.StringSliceVar(&o.podSubnets, "pod-subnet", subnets, "ranges of all the pods (POD_SUBNET)")
	f.StringVar(&o.cniFile, "cni-file", "/etc/cni/net.d/10-kindnet.conflist", "configuration to write for the container runtime")
	f.StringVar(&o.nriSocket, "nri-socket", "/var/run/nri/nri.sock", "where the container runtime announces new pods; unused if absent")
	f.StringVar(&o.health, "health-address", "127.0.0.1:10247", "where /healthz answers")
	f.BoolVar(&o.enforce, "enforce", os.Getenv("ENFORCE_NETWORK_POLICY") != "false", "enforce NetworkPolicy (ENFORCE_NETWORK_POLICY)")
	f.StringVar(&o.deny, "deny", Drop, "what denied packets get: drop or reject")
	return cmd
}

func (o *options) run(ctx context.Context) error {
	if o.node == "" {
		return errors.New("--node or NODE_NAME is required")
	}
	if o.deny != Drop && o.deny != Reject {
		return fmt.Errorf("--deny=%s: drop or reject expected", o.deny)
	}
	ranges, err := parsePrefixes(o.podSubnets)
	if err != nil {
		return err
	}
	client, err := o.connect(ctx)
	if err != nil {
		return err
	}
	policies, err := newEnforcer(o.node, o.deny, o.enforce)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(strip))
	if o.enforce {
		policies.watch(factory)
	}
	pods := newPodNetwork(o, factory, ranges)

	g, ctx := errgroup.WithContext(ctx)
	factory.Start(ctx.Done())
	g.Go(func() error { return policies.run(ctx) })
	g.Go(func() error {
		// No pod may start before it is protected: the runtime needs the
		// configuration that this writes.
		select {
		case <-policies.applied:
			return pods.run(ctx)
		case <-ctx.Done():
			return nil
		}
	})
	if o.enforce {
		g.Go(func() error { policies.followRuntime(ctx, o.nriSocket); return nil })
	}
	g.Go(func() error { return serveHealth(ctx, o.health, policies.healthy, pods.healthy) })
	return g.Wait()
}

// connect waits until the API server answers. It is reached at its Service's
// address, for which kube-proxy may not have made the rules yet: short attempts
// from new ports are needed, since a connection begun without rules never gets
// any.
func (o *options) connect(ctx context.Context) (kubernetes.Interface, error) {
	config, err := rest.InClusterConfig()
	if o.kubeconfig != "" {
		config, err = clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	}
	if err != nil {
		return nil, err
	}
	config.Dial = (&net.Dialer{Timeout: 2 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	start, quiet := time.Now(), time.Now()
	err = wait.PollUntilContextCancel(ctx, 250*time.Millisecond, true, func(context.Context) (bool, error) {
		err := ping(config)
		if err != nil && time.Since(quiet) > 5*time.Second {
			quiet = time.Now()
			klog.InfoS("Waiting for the API server", "address", config.Host, "err", err)
		}
		return err == nil, nil
	})
	if err == nil {
		klog.InfoS("API server answers", "address", config.Host, "after", time.Since(start).Round(time.Millisecond))
	}
	return client, err
}

// ping asks once, on a connection of its own, and waits only a moment.
func ping(config *rest.Config) error {
	config = rest.CopyConfig(config)
	config.Timeout = 5 * time.Second
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	d, err := discovery.NewDiscoveryClientForConfigAndClient(config, client)
	if err == nil {
		_, err = d.ServerVersion()
	}
	return err
}

func parsePrefixes(texts []string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil {
			return nil, err
		}
		prefixes = append(prefixes, p)
	}
	return prefixes, nil
}

// serveHealth answers 200 once every check gives nil.
func serveHealth(ctx context.Context, address string, checks ...func() error) error {
	server := &http.Server{Addr: address, ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for _, check := range checks {
				if err := check(); err != nil {
					http.Error(w, err.Error(), http.StatusServiceUnavailable)
					return
				}
			}
			fmt.Fprintln(w, "ok")
		})}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.ListenAndServe(); ctx.Err() == nil {
		return err
	}
	return nil
}
