// SPDX-License-Identifier: Apache-2.0

// Package e2e tests the plugin on real clusters, as users install and use it: images, kubelets, Pods that write to
// volumes, and Velero as a Deployment. Its tests have the build tag e2e and need root; see README.md.
package e2e
