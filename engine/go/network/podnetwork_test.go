package network

import (
	"encoding/json"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestConfigIsOneOfTheRuntime(t *testing.T) {
	var c struct {
		Plugins []struct {
			Type   string
			IPMasq bool
			IPAM   struct {
				Ranges [][]struct{ Subnet string }
				Routes []struct{ Dst string }
			}
		}
	}
	if err := json.Unmarshal(cniConfig([]string{"10.244.1.0/24", "fd00:1::/64"}, 1400), &c); err != nil {
		t.Fatal(err)
	}
	ptp := c.Plugins[0]
	if ptp.IPMasq || len(ptp.IPAM.Ranges) != 2 || ptp.IPAM.Ranges[1][0].Subnet != "fd00:1::/64" || ptp.IPAM.Routes[1].Dst != "::/0" {
		t.Errorf("%+v", c)
	}
}

func TestWriteConfigOnlyOnChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "10-kindnet.conflist")
	for _, text := range []string{"a", "b"} {
		if err := writeConfig(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		before, _ := os.Stat(path)
		if err := writeConfig(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if after, _ := os.Stat(path); !os.SameFile(before, after) {
			t.Error("written again without need")
		}
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		t.Error("something was left behind")
	}
}

func TestRoutesGoToNodesOfTheSameFamily(t *testing.T) {
	n := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "other"}}
	n.Spec.PodCIDRs = []string{"10.244.1.0/24", "fd00:1::/64"}
	n.Status.Addresses = []v1.NodeAddress{
		{Type: v1.NodeHostName, Address: "other"}, {Type: v1.NodeInternalIP, Address: "fd77::3"}, {Type: v1.NodeInternalIP, Address: "198.18.69.3"}}
	want := map[netip.Prefix]netip.Addr{
		netip.MustParsePrefix("10.244.1.0/24"): netip.MustParseAddr("198.18.69.3"),
		netip.MustParsePrefix("fd00:1::/64"):   netip.MustParseAddr("fd77::3"),
	}
	if got := wantedRoutes([]*v1.Node{n}); !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
}
