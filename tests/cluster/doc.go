// SPDX-License-Identifier: Apache-2.0

// Package cluster runs Kubernetes clusters of one real node each on this machine: pods, a pod network, Services, DNS,
// and images that are loaded from files. Each cluster is in a network namespace of its own, so that several run side by
// side and reach each other only as machines do. It needs root and Linux.
package cluster
