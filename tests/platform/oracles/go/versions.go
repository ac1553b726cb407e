//go:build versions

// Package oracles only names the engine's module: what both need has its
// versions, and is compiled once.
package oracles

import _ "cahier/engine/network"
