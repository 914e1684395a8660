// SPDX-License-Identifier: Apache-2.0

package storageclass

import (
	"context"
	"fmt"
	"slices"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/label"
	"github.com/vmware-tanzu/velero/pkg/util/boolptr"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/resourcefilter"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// Cluster is the cluster that is restored to.
type Cluster interface {
	Classes
	// Volumes returns all PersistentVolumes.
	Volumes(ctx context.Context) ([]corev1.PersistentVolume, error)
	// Client returns a client that knows the types of storage/v1.
	Client() (client.Client, error)
}

// annotationOriginalName is what Velero notes on a PersistentVolume that it has
// renamed (pkg/restore/restore.go, handlePVHasNativeSnapshot).
const annotationOriginalName = "velero.io/original-pv-name"

// Annotations of the StorageClass of claims that name none.
func defaultClassAnnotations() []string {
	return []string{"storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"}
}

// view is what one restore sees of the cluster. What it has read it reads no more,
// and of what it may not read it warns once. It is for one goroutine at a time.
type view struct {
	log     logrus.FieldLogger
	cluster Cluster
	restore *velerov1.Restore

	classes []storagev1.StorageClass
	zones   []string
	// volumes are the PersistentVolumes that are restored, by the names that they had.
	volumes map[string]restored
	// here are the PersistentVolumes of the cluster, as they were when they were first asked for.
	here []corev1.PersistentVolume
	// done are the lists that were read, and what may not be read.
	done map[string]error
}

func newView(log logrus.FieldLogger, cluster Cluster, restore *velerov1.Restore) *view {
	return &view{
		log: log, cluster: cluster, restore: restore,
		volumes: make(map[string]restored), done: make(map[string]error),
	}
}

// once reads what, unless that was read or may not be.
func (v *view) once(what string, read func() error) error {
	if err, done := v.done[what]; done {
		return err
	}
	err := read()
	switch {
	case err == nil:
		v.done[what] = nil
	case apierrors.IsForbidden(err):
		v.done[what] = err
		v.log.WithError(err).WithField("resources", what).Warn("Velero's service account may not read all that the conversion of volumes depends on: that is not checked")
	}
	return err
}

// StorageClass returns the class of that name.
func (v *view) StorageClass(ctx context.Context, name string) (*storagev1.StorageClass, error) {
	if err := v.readClasses(ctx); err != nil {
		return nil, err
	}
	for i := range v.classes {
		if v.classes[i].Name == name {
			return &v.classes[i], nil
		}
	}
	return nil, apierrors.NewNotFound(storagev1.Resource("storageclasses"), name)
}

// lacks tells whether the cluster has no class of that name, as far as it may be read.
func (v *view) lacks(ctx context.Context, name string) bool {
	if name == "" {
		return false
	}
	_, err := v.StorageClass(ctx, name)
	return apierrors.IsNotFound(err)
}

// defaultClass returns the class that the API server gives claims that name none,
// nil if there is none: of several the newest.
func (v *view) defaultClass(ctx context.Context) (*storagev1.StorageClass, error) {
	if err := v.readClasses(ctx); err != nil {
		return nil, err
	}
	var newest *storagev1.StorageClass
	for i := range v.classes {
		class := &v.classes[i]
		isDefault := slices.ContainsFunc(defaultClassAnnotations(), func(key string) bool { return class.Annotations[key] == "true" })
		if isDefault && (newest == nil || newest.CreationTimestamp.Before(&class.CreationTimestamp)) {
			newest = class
		}
	}
	return newest, nil
}

func (v *view) readClasses(ctx context.Context) error {
	err := v.once("StorageClasses", func() error {
		reader, err := v.cluster.Client()
		if err != nil {
			return err
		}
		list := &storagev1.StorageClassList{}
		err = reader.List(ctx, list)
		v.classes = list.Items
		return err
	})
	if err != nil {
		return &readError{fmt.Errorf("listing the StorageClasses: %w", err)}
	}
	return nil
}

// Zones returns the zones of the cluster's nodes. Nothing fails without them, so that
// it asks for them once, and warns of any error.
func (v *view) Zones(ctx context.Context) ([]string, error) {
	const nodes = "Nodes"
	_, asked := v.done[nodes]
	err := v.once(nodes, func() error {
		zones, err := v.cluster.Zones(ctx)
		v.zones = zones
		return err
	})
	if err != nil && !asked && !apierrors.IsForbidden(err) {
		v.done[nodes] = err
		v.log.WithError(err).Warn("The zones of the cluster could not be read: whether a StorageClass suits them is not checked")
	}
	return v.zones, err
}

// restored is what a PersistentVolume is where its claim is restored.
type restored struct {
	// class is the one that its claim is to have, and at where that is asked for; "" where
	// the PersistentVolume keeps the one that it had, as the claim does.
	class string
	at    settings.Position
	size  resource.Quantity
	// disk is nil for what is no disk.
	disk *sharing
}

// restoredOf returns what a PersistentVolume says.
func restoredOf(pv *corev1.PersistentVolume) restored {
	return restored{class: volume.ClassOf(pv), size: pv.Spec.Capacity[corev1.ResourceStorage], disk: diskOf(pv)}
}

// volumeOf returns the PersistentVolume that is restored for a claim of the backup,
// and whether there is one; else the claim's volume is provisioned. Velero restores
// it before the claim: the claim's own velero.io/pvc action asks for it if nothing
// else did.
//
// It was planned before. It is not looked for in the cluster: volume-ready may be
// replacing it.
func (v *view) volumeOf(ctx context.Context, claim *corev1.PersistentVolumeClaim) (restored, bool, error) {
	name := claim.Spec.VolumeName
	if name == "" {
		return restored{}, false, nil
	}
	if pv, planned := v.volumes[name]; planned {
		return pv, true, nil
	}
	// Another process of this restore may have planned it, and been killed.
	if err := v.readVolumes(ctx); err != nil {
		return restored{}, false, err
	}
	pv, found := v.volumes[name]
	return pv, found, nil
}

// volumeHere returns the PersistentVolume of the cluster that a claim names where the
// restore leaves PersistentVolumes out, and whether there is one: Velero then leaves
// the name in the claim.
func (v *view) volumeHere(ctx context.Context, claim *corev1.PersistentVolumeClaim) (restored, bool, error) {
	if claim.Spec.VolumeName == "" || includesVolumes(&v.restore.Spec) {
		return restored{}, false, nil
	}
	pv, err := v.volumeNamed(ctx, claim.Spec.VolumeName)
	if pv == nil || err != nil {
		return restored{}, false, err
	}
	return restoredOf(pv), true, nil
}

// includesVolumes reports whether a restore has PersistentVolumes in it.
func includesVolumes(spec *velerov1.RestoreSpec) bool {
	volumes := resourcefilter.Resource{Name: "persistentvolumes", Aliases: []string{"persistentvolume", "pv"}}
	return !boolptr.IsSetToFalse(spec.IncludeClusterResources) && volumes.In(spec.IncludedResources, spec.ExcludedResources)
}

// volumeNamed returns the PersistentVolume of that name in the cluster, nil if there
// is none or it may not be read.
func (v *view) volumeNamed(ctx context.Context, name string) (*corev1.PersistentVolume, error) {
	if err := v.readVolumes(ctx); err != nil {
		return nil, err
	}
	for i := range v.here {
		if v.here[i].Name == name {
			return &v.here[i], nil
		}
	}
	return nil, nil //nolint:nilnil // there is none
}

// readVolumes reads the PersistentVolumes of the cluster, if they may be read.
func (v *view) readVolumes(ctx context.Context) error {
	err := v.once("PersistentVolumes", func() error {
		all, err := v.cluster.Volumes(ctx)
		v.here = all
		for i := range all {
			v.addRestored(ctx, &all[i])
		}
		return err
	})
	if apierrors.IsForbidden(err) {
		return nil
	}
	return err
}

// addRestored adds a PersistentVolume of the cluster if this restore has made it.
func (v *view) addRestored(ctx context.Context, pv *corev1.PersistentVolume) {
	if pv.Labels[velerov1.RestoreNameLabel] != label.GetValidName(v.restore.Name) {
		return
	}
	name := pv.Name
	if original := pv.Annotations[annotationOriginalName]; original != "" {
		name = original
	}
	if _, known := v.volumes[name]; known {
		return
	}
	made := restoredOf(pv)
	if volume.PendingID(pv) != "" {
		made.disk = v.diskToBe(ctx, pv)
	}
	v.volumes[name] = made
}

// diskToBe returns how the disk is shared that the files of a PersistentVolume are
// restored into, nil for what is no disk, and where its class cannot be read any more.
func (v *view) diskToBe(ctx context.Context, pv *corev1.PersistentVolume) *sharing {
	target, err := notedTarget(pv)
	if err != nil || target == nil || !isDiskDriver(target.Provisioner) {
		return nil
	}
	class, err := v.StorageClass(ctx, target.Class)
	if err != nil {
		return nil
	}
	// What is wrong with the class was told when it was planned.
	asked, _ := TargetOf(class)
	return &sharing{multiAttach: isTrue(asked.MultiAttach), block: volume.IsBlock(pv)}
}
