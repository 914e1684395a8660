// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"sync"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"k8s.io/apimachinery/pkg/types"
)

// onceInRestore tells what comes up for the first time in a restore, such as a
// warning that would be the same for every object. Its zero value is ready for use,
// by several goroutines.
type onceInRestore struct{ seen sync.Map }

type onceKey struct {
	restore types.UID
	what    string
}

// first reports whether it is called for the first time with what in the restore.
func (o *onceInRestore) first(restore *velerov1.Restore, what string) bool {
	_, seen := o.seen.LoadOrStore(onceKey{restore.UID, what}, true)
	return !seen
}
