// SPDX-License-Identifier: Apache-2.0

// Command coredns is CoreDNS (github.com/coredns/coredns) with the plugins alone that answer for the Services of a
// cluster. Upstream's has fifty more, most of them with clients of some cloud: it takes several times as long to build,
// and nothing here asks them anything. A Corefile that names another plugin is refused.
package main

import (
	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
)

func main() {
	// Their order is that in which a query passes through them, as in upstream's plugin.cfg.
	dnsserver.Directives = []string{"ready", "health", "errors", "cache", "kubernetes"}
	caddy.Quiet = true
	coremain.Run()
}
