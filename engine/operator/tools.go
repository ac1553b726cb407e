//go:build tools

// Package tools names the two programs that are compiled here, so that go.mod holds what they need.
package tools

import (
	_ "github.com/cloudnative-pg/cloudnative-pg/cmd/manager"
	_ "github.com/rancher/local-path-provisioner"
)
