// SPDX-License-Identifier: Apache-2.0

// Package restoreitemaction changes what Velero restores so that it works where
// it is restored. Each action is a file; none contacts anything before Velero asks
// it to, and each leaves alone what is not its own.
package restoreitemaction
