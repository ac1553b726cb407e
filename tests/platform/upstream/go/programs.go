//go:build versions

// Package upstream only names what is compiled: Kubernetes' own end-to-end tests, the program that
// runs in their pods, and the one that plays several tests at once.
package upstream

import (
	_ "github.com/onsi/ginkgo/v2/ginkgo"
	_ "k8s.io/kubernetes/test/e2e"
	_ "k8s.io/kubernetes/test/images/agnhost"
)
