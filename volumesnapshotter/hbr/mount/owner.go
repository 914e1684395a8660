// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"strings"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Kinds of runs.
const (
	Backup  = "backup"
	Restore = "restore"
)

// Labels of temporary objects.
const (
	kindLabel = "alibabacloud.com/hbr"
	runLabel  = "alibabacloud.com/hbr-run"
)

// namePrefix begins the names of temporary objects.
const namePrefix = "velero-hbr-"

// Owner is what temporary objects are there for: one volume in one run.
type Owner struct {
	// Kind is Backup or Restore.
	Kind string
	// Run is the UID of the Backup or Restore.
	Run types.UID
	// Mark tells the volume from all others of all runs: 8 or 10 lower-case letters and digits.
	Mark string
}

// name is that of each temporary object.
func (o Owner) name() string { return namePrefix + o.Mark }

func (o Owner) labels() map[string]string {
	return map[string]string{velerov1.ExcludeFromBackupLabel: "true", kindLabel: o.Kind, runLabel: string(o.Run)}
}

// owns tells whether an object was made for the owner's run.
func (o Owner) owns(object metav1.Object) bool {
	labels := object.GetLabels()
	return labels[kindLabel] == o.Kind && labels[runLabel] == string(o.Run)
}

// ownerOf returns the owner of an object with the name of a temporary one, false if it
// has none.
func ownerOf(name string, object metav1.Object) (Owner, bool) {
	mark, ok := strings.CutPrefix(name, namePrefix)
	labels := object.GetLabels()
	o := Owner{Kind: labels[kindLabel], Run: types.UID(labels[runLabel]), Mark: mark}
	return o, ok && mark != "" && (o.Kind == Backup || o.Kind == Restore) && o.Run != ""
}
