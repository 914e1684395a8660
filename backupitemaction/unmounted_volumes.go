// SPDX-License-Identifier: Apache-2.0

package backupitemaction

import (
	"context"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/kuberesource"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/annotation"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/once"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/selection"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// UnmountedVolumesName is the name that NewUnmountedVolumes' action is registered by.
const UnmountedVolumesName = "alibabacloud.com/unmounted-volumes"

// UnmountedVolumesSettings are the settings of unmounted-volumes.
type UnmountedVolumesSettings struct {
	// SkipUnmounted leaves out the data of claims that no running Pod mounts.
	SkipUnmounted bool `json:"skipUnmounted,omitempty"`
	// Selector leaves out the data of the claims with these labels, mounted or not; nil is
	// for none.
	Selector *selection.Selector `json:"selector,omitempty"`
	// DropObjects leaves out the claims and PersistentVolumes too whose data is left out.
	DropObjects bool `json:"dropObjects,omitempty"`
}

// UnmountedVolumes is the BackupItemAction that leaves the data of volumes out of a backup
// that asks for it: of those that no running Pod mounts, and of those whose claims have
// labels. It is decided on the PersistentVolume: Velero has that snapshotted while it
// backs up the claim, before an action can have left the claim out.
//
// The PersistentVolume stays in the backup, with volume.AnnotationLeftOut, by which the
// snapshotters of this plugin pass it over. One that an earlier backup has left there goes.
type UnmountedVolumes struct {
	log      logrus.FieldLogger
	settings *settings.Settings[UnmountedVolumesSettings]
	cluster  Clients
	// choices are what Backups leave out.
	choices once.Values[types.UID, choice]
}

// NewUnmountedVolumes returns the action. It contacts nothing.
func NewUnmountedVolumes(log logrus.FieldLogger, reader *settings.Reader, cluster Clients) *UnmountedVolumes {
	return &UnmountedVolumes{
		log:      log,
		settings: settings.Of[UnmountedVolumesSettings](reader, UnmountedVolumesName),
		cluster:  cluster,
	}
}

// AppliesTo returns PersistentVolumes and claims.
func (a *UnmountedVolumes) AppliesTo() (velero.ResourceSelector, error) {
	return velero.ResourceSelector{
		IncludedResources: []string{kuberesource.PersistentVolumes.Resource, kuberesource.PersistentVolumeClaims.Resource},
	}, nil
}

// Execute returns a PersistentVolume as one whose data is left out, or it or a claim as one
// that Velero leaves out, or the very item that came.
func (a *UnmountedVolumes) Execute(item runtime.Unstructured, backup *velerov1.Backup) (runtime.Unstructured, []velero.ResourceIdentifier, error) {
	return execute(item, backup, a.decide)
}

func (a *UnmountedVolumes) decide(ctx context.Context, o object) (*unstructured.Unstructured, []velero.ResourceIdentifier) {
	// What cannot be read is part of the choice: it is the same for all volumes of a backup.
	chosen, _ := a.choices.Get(o.backup.UID, func() (choice, error) { return a.choose(ctx, o.backup), nil })
	resource, claim := kuberesource.PersistentVolumes, claimOfVolume(o.item)
	if o.item.GetNamespace() != "" {
		resource, claim = kuberesource.PersistentVolumeClaims, types.NamespacedName{Namespace: o.item.GetNamespace(), Name: o.item.GetName()}
	}
	reason := chosen.reason(claim)
	log := a.log.WithFields(logrus.Fields{"resource": resource.Resource, "namespace": o.item.GetNamespace(), "name": o.item.GetName(), "reason": reason})
	switch {
	case reason != "" && chosen.drop:
		log.Info("Leaving out a volume")
		return leaveOut(o.item), nil
	case resource != kuberesource.PersistentVolumes:
		return nil, nil
	case reason != "":
		log.Info("Leaving out the data of a volume")
		return annotated(o.item, volume.AnnotationLeftOut, o.backup.Name+": "+reason), nil
	default:
		return withoutAnnotation(o.item, volume.AnnotationLeftOut), nil
	}
}

// withoutAnnotation returns a copy of item without an annotation, nil if it has none.
func withoutAnnotation(item *unstructured.Unstructured, key string) *unstructured.Unstructured {
	if _, ok := item.GetAnnotations()[key]; !ok {
		return nil
	}
	changed := item.DeepCopy()
	annotation.Remove(changed.Object, key)
	return changed
}
