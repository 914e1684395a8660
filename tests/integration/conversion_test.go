// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	conversionSource = "conversion"
	conversionTarget = "converted"

	// skippedLabel is on the claims whose volumes a volume policy of Velero leaves out of the backup.
	skippedLabel = "skipped"
)

// testConversions restores claims under the rules of storage-class-mapping, in one restore. What is converted ends bound to
// what it asks for, what cannot be is not restored, and says why.
func (s *diskSuite) testConversions(t *testing.T) {
	t.Parallel()
	b := s.newBench(t, conversionSource, nil)
	s.newNamespace(t, conversionSource)
	s.createConversionClasses(t)
	allowed, refused := allowedConversions(), refusedConversions()
	disks := b.createConversionSources(t, allowed, refused)
	pod := b.runWithFiles(t, allowed)
	s.create(t, readObject(t, "conversion-policy.yaml"))
	b.completedBackup(t, b.name, b.name, "--volume-snapshot-locations", b.name, "--resource-policies-configmap", "conversion-policy")

	must(t, s.cp.Client.Delete(t.Context(), pod, client.GracePeriodSeconds(0)))
	b.deleteApplication(t)
	b.deleteSourceVolumes(t)
	b.provisionIn(t, conversionTarget)
	s.createSettings(t, "storage-class-mapping", b.name, conversionSettings(allowed, refused))
	restore := s.restore(t, b.name, b.name, "--namespace-mappings", conversionSource+":"+conversionTarget)
	s.wantPhase(t, restore, velerov1.RestorePhasePartiallyFailed)

	volumes := s.waitAllBound(t, conversionTarget, len(allowed))
	for _, c := range allowed {
		pv := volumes[c.claim]
		t.Run(c.name, func(t *testing.T) {
			s.wantObject(t, c.wantClaim(t, pv.Name))
			s.wantConvertedVolume(t, c, pv)
		})
		if id := pv.Spec.CSI.VolumeHandle; pv.Spec.CSI.Driver == diskDriver && c.from.comes != reattached {
			disks = append(disks, id)
		}
	}
	described := s.cli(t, "restore", "describe", b.name, "--details")
	for _, r := range refused {
		t.Run(r.name, func(t *testing.T) { s.wantRefused(t, r, described) })
	}
	must(t, wantText(lineWith(s.cli(t, "restore", "logs", b.name), "level=warning", "Leaving the StorageClass as it is", "resource=persistentvolumes"), "storageClass=conversion-essd"))
	b.settle(t, disks...)
}

// wantConvertedVolume fails unless the volume of a converted claim is what the claim has become.
func (s *diskSuite) wantConvertedVolume(t *testing.T, c conversion, pv *corev1.PersistentVolume) {
	t.Helper()
	size := c.want.size
	if c.from.comes == reattached {
		size = c.from.size // The resizer of the driver makes it grow.
	}
	got := volumeState{
		driver: pv.Spec.CSI.Driver, class: pv.Spec.StorageClassName, modes: pv.Spec.AccessModes, size: pv.Spec.Capacity.Storage().String(),
	}
	want := volumeState{driver: c.want.driver, class: c.want.class, modes: c.want.modes, size: size}
	if want.driver == diskDriver {
		disk := s.diskInfo(t, pv.Spec.CSI.VolumeHandle)
		got.disk = strings.TrimSuffix(disk.Category+"."+disk.PerformanceLevel, ".")
		got.gibibytes = disk.Size
		quantity := resource.MustParse(size)
		want.disk, want.gibibytes = c.want.disk, quantity.Value()>>30
	}
	wantEqual(t, "the volume of the claim "+c.claim, fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want))
	if c.from.comes == ofSnapshot {
		content, err := s.cloud.ECS().ReadFile(pv.Spec.CSI.VolumeHandle, file)
		must(t, err)
		wantEqual(t, "the content of the disk of "+c.claim, string(content), "orders of "+conversionSource+"/"+c.claim)
	}
}

// volumeState is what a test asks of a volume, and of its disk if it has one.
type volumeState struct {
	driver, class string
	modes         []corev1.PersistentVolumeAccessMode
	size          string
	disk          string
	gibibytes     int64
}

// wantRefused fails unless a claim was not restored, nor its volume, for the reason.
func (s *diskSuite) wantRefused(t *testing.T, r refusal, described string) {
	t.Helper()
	err := s.cp.Client.Get(t.Context(), client.ObjectKey{Namespace: conversionTarget, Name: r.claim}, &corev1.PersistentVolumeClaim{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("the claim %s is there, or cannot be read: %v", r.claim, err)
	}
	var volumes corev1.PersistentVolumeList
	must(t, s.cp.Client.List(t.Context(), &volumes))
	for _, pv := range volumes.Items {
		if ref := pv.Spec.ClaimRef; ref != nil && ref.Namespace == conversionTarget && ref.Name == r.claim {
			t.Errorf("the claim's volume %s is there, with the disk %s", pv.Name, diskOf(&pv))
		}
	}
	must(t, wantText(lineWith(described, "error preparing persistentvolumeclaims", r.claim+":"),
		"velero/storage-class-mapping-of-"+conversionSource, `key "rules"`, conversionSource+"/"+r.claim, r.message))
}

// conversionSettings has a rule for each claim, as far as it has one.
func conversionSettings(allowed []conversion, refused []refusal) map[string]string {
	var rules strings.Builder
	rule := func(class, claim, to string) {
		if to != "" {
			fmt.Fprintf(&rules, "- {from: %q, names: [%s], to: {%s}}\n", class, claim, to)
		}
	}
	for _, c := range allowed {
		rule(c.from.class, c.claim, c.rule)
	}
	for _, r := range refused {
		rule(r.from.class, r.claim, r.rule)
	}
	return map[string]string{
		"rules":          rules.String(),
		"gp2":            "conversion-essd",
		"missingClasses": "{disk: conversion-essd, nas: conversion-nas}",
	}
}

// wantClaim is the claim that a conversion ends in, bound to a PersistentVolume.
func (c conversion) wantClaim(t *testing.T, volume string) *unstructured.Unstructured {
	t.Helper()
	claim := &corev1.PersistentVolumeClaim{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: conversionTarget, Name: c.claim, Finalizers: []string{"kubernetes.io/pvc-protection"},
			Labels:      map[string]string{velerov1.BackupNameLabel: conversionSource, velerov1.RestoreNameLabel: conversionSource},
			Annotations: map[string]string{"pv.kubernetes.io/bind-completed": "yes"},
		},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: c.want.modes, Resources: corev1.VolumeResourceRequirements{Requests: storage(c.want.size)},
			StorageClassName: &c.want.class, VolumeName: volume, VolumeMode: volumeMode(volumeOptions{block: c.from.block}),
		},
	}
	maps.Copy(claim.Labels, c.from.labels())
	if c.from.comes == provisioned || c.from.comes == ofFiles {
		claim.Annotations["pv.kubernetes.io/bound-by-controller"] = "yes"
		claim.Annotations["volume.beta.kubernetes.io/storage-provisioner"] = c.want.driver
		claim.Annotations[storageProvisioner] = c.want.driver
		if c.want.driver == diskDriver {
			claim.Annotations[selectedNodeKey] = "node-" + zoneH
		}
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(claim)
	must(t, err)
	object := &unstructured.Unstructured{Object: content}
	unstructured.RemoveNestedField(object.Object, "metadata", "creationTimestamp")
	unstructured.RemoveNestedField(object.Object, "status")
	return object
}

func storage(quantity string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(quantity)}
}

// createConversionSources creates the claims with their volumes, waits until they are bound, and returns the disks.
func (b *bench) createConversionSources(t *testing.T, allowed []conversion, refused []refusal) (disks []string) {
	t.Helper()
	sources := map[string]source{}
	for _, c := range allowed {
		sources[c.claim] = c.from
	}
	for _, r := range refused {
		sources[r.claim] = r.from
	}
	for claim, from := range sources {
		if from.driver == diskDriver {
			disks = append(disks, b.createSourceDisk(t, claim, from))
			continue
		}
		b.createSourceVolume(t, claim, from)
	}
	b.waitAllBound(t, conversionSource, len(sources))
	return disks
}

// runWithFiles creates a Pod that runs, with the volumes whose files are backed up.
func (b *bench) runWithFiles(t *testing.T, allowed []conversion) *corev1.Pod {
	t.Helper()
	container := corev1.Container{Name: "app", Image: "busybox:1.37.0"}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: conversionSource, Name: "files"},
		Spec:       corev1.PodSpec{AutomountServiceAccountToken: new(bool), NodeName: "node-" + zoneH},
	}
	var names []string
	for _, c := range allowed {
		if c.from.comes != ofFiles {
			continue
		}
		names = append(names, c.claim)
		container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: c.claim, MountPath: "/" + c.claim})
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: c.claim, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: c.claim},
		}})
	}
	pod.Spec.Containers = []corev1.Container{container}
	b.create(t, pod)
	b.makeReady(t, pod.Namespace, pod.Name)
	b.backUpEmptyDirectories(t, pod.Name, strings.Join(names, ","))
	return pod
}

func (b *bench) createSourceDisk(t *testing.T, claim string, from source) string {
	t.Helper()
	size := resource.MustParse(from.size)
	options := volumeOptions{podless: true, class: from.class, mode: from.mode, block: from.block, claimLabels: from.labels()}
	options.disk.Size = size.Value() >> 30
	v := b.createVolume(t, claim, options)
	if from.reclaimPolicy() == corev1.PersistentVolumeReclaimRetain {
		b.retain(t, v.pv)
	}
	return v.disk
}

func (b *bench) createSourceVolume(t *testing.T, claim string, from source) {
	t.Helper()
	modes := []corev1.PersistentVolumeAccessMode{cmp.Or(from.mode, corev1.ReadWriteOnce)}
	wanted := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: conversionSource, Name: claim, Labels: from.labels()},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: modes, Resources: corev1.VolumeResourceRequirements{Requests: storage(from.size)}, VolumeName: "pv-" + claim,
		},
	}
	if from.annotated {
		wanted.Annotations = map[string]string{corev1.BetaStorageClassAnnotation: from.class}
	} else {
		wanted.Spec.StorageClassName = &from.class
	}
	b.create(t, &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "pv-" + claim, Annotations: map[string]string{provisionedKey: from.driver}},
		Spec: corev1.PersistentVolumeSpec{
			AccessModes: modes, Capacity: storage(from.size), PersistentVolumeReclaimPolicy: from.reclaimPolicy(), StorageClassName: from.class,
			ClaimRef: &corev1.ObjectReference{Namespace: conversionSource, Name: claim},
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{
				Driver: from.driver, VolumeHandle: "pv-" + claim,
			}},
		},
	}, wanted)
}

// labels keep a volume out of the backup whose data is not to be in it.
func (from source) labels() map[string]string {
	switch from.comes {
	case ofSnapshot, ofFiles:
		return nil
	default:
		return map[string]string{skippedLabel: "true"}
	}
}

// reclaimPolicy is Delete where Velero is to drop the PersistentVolume for it.
func (from source) reclaimPolicy() corev1.PersistentVolumeReclaimPolicy {
	switch from.comes {
	case reattached, ofFiles:
		return corev1.PersistentVolumeReclaimRetain
	default:
		return corev1.PersistentVolumeReclaimDelete
	}
}

// deleteSourceVolumes deletes the PersistentVolumes of the claims, which are gone. Their disks stay.
func (b *bench) deleteSourceVolumes(t *testing.T) {
	t.Helper()
	var volumes corev1.PersistentVolumeList
	must(t, b.cp.Client.List(t.Context(), &volumes))
	var mine []client.Object
	for _, pv := range volumes.Items {
		if ref := pv.Spec.ClaimRef; ref != nil && ref.Namespace == conversionSource {
			mine = append(mine, &pv)
			must(t, client.IgnoreNotFound(b.cp.Client.Delete(t.Context(), &pv)))
		}
	}
	eventually(t, "the volumes of the claims to be gone", func(ctx context.Context) error {
		for _, pv := range mine {
			if err := b.cp.Client.Get(ctx, client.ObjectKeyFromObject(pv), &corev1.PersistentVolume{}); !apierrors.IsNotFound(err) {
				return fmt.Errorf("%s is there: %w", pv.GetName(), err)
			}
		}
		return nil
	})
}
