// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// diskReader reads the disks of the cluster's volumes in batches. Velero asks for one
// disk after the other, and ECS limits the calls of a minute.
type diskReader struct {
	mu      sync.Mutex
	volumes []corev1.PersistentVolume
	// known holds what was asked for; nil is a disk that does not exist.
	known map[string]*disk
	// denied is the refusal to read disks at all.
	denied error
}

// diskIDPrefix begins the id of every ECS disk.
const diskIDPrefix = "d-"

// errNoDisk is returned for a disk that ECS does not know.
var errNoDisk = errors.New("the disk does not exist in the location's region and account")

// describe returns a disk, or what its PersistentVolume tells of it where ECS does
// not let it be read: the data can be backed up all the same.
func (s *site) describe(ctx context.Context, id string) disk {
	found, err := s.disk(ctx, id)
	if err == nil {
		return found
	}
	if failure.Classify(err) != failure.Denied { // That is told once.
		s.log.WithField("disk", id).WithError(err).Warn("The disk is described by its PersistentVolume, which does not tell all")
	}
	pv, err := s.volumeOf(ctx, id, "")
	if err != nil {
		return disk{id: id}
	}
	spec := diskspec.Spec{Type: volume.DiskTypeOf(pv), SizeGiB: volume.CapacityGiB(pv)}
	if zones := volume.Zones(pv); len(zones) > 0 {
		spec.Zone = zones[0]
	}
	return disk{id: id, spec: spec}
}

// disk reads a disk of ECS, together with up to maxIDs others that the backup may
// ask for next. What was read is not read again.
func (s *site) disk(ctx context.Context, id string) (disk, error) {
	r := &s.disks
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.denied != nil {
		return disk{}, r.denied
	}
	if _, known := r.known[id]; !known {
		if err := s.readBatch(ctx, id); err != nil {
			return disk{}, err
		}
	}
	if r.known[id] == nil {
		return disk{}, errNoDisk
	}
	return *r.known[id], nil
}

// readBatch reads the disk id and others. The caller holds the reader's lock.
func (s *site) readBatch(ctx context.Context, id string) error {
	api, err := s.api(ctx)
	if err != nil {
		return err
	}
	ids := s.batch(ctx, id)
	found, err := describeDisks(ctx, api, ids...)
	if failure.Classify(err) == failure.Denied {
		s.disks.denied = err
		s.log.WithError(s.fail(describing, "the disks of the cluster", err)).
			Warn("Disks are described by their PersistentVolumes, which do not tell all: a restore may need diskCategoryMapping or a StorageClass mapping")
	}
	if err != nil {
		return err
	}
	if s.disks.known == nil {
		s.disks.known = map[string]*disk{}
	}
	for _, asked := range ids {
		s.disks.known[asked] = nil
	}
	for _, d := range found {
		s.disks.known[d.id] = &d
	}
	return nil
}

// batch returns id and the ids of disks that are not known yet, those of claims in
// the same namespace first.
func (s *site) batch(ctx context.Context, id string) []string {
	ids := []string{id}
	volumes, err := s.volumes(ctx)
	if err != nil {
		s.log.WithError(err).Debug("Reading one disk at a time")
		return ids
	}
	namespace := ""
	if i := slices.IndexFunc(volumes, func(pv corev1.PersistentVolume) bool { return volume.DiskID(&pv) == id }); i >= 0 {
		namespace = namespaceOf(&volumes[i])
	}
	near := slices.Clone(volumes)
	slices.SortStableFunc(near, func(a, b corev1.PersistentVolume) int {
		return cmp.Compare(distance(&a, namespace), distance(&b, namespace))
	})
	for i := range near {
		other := volume.DiskID(&near[i])
		// The id of a disk that is yet to be made is none that ECS takes.
		if _, known := s.disks.known[other]; strings.HasPrefix(other, diskIDPrefix) && !known && other != id && len(ids) < maxIDs {
			ids = append(ids, other)
		}
	}
	return ids
}

// distance is 0 for a volume that a claim of the namespace has, else 1.
func distance(pv *corev1.PersistentVolume, namespace string) int {
	if namespaceOf(pv) == namespace {
		return 0
	}
	return 1
}

func namespaceOf(pv *corev1.PersistentVolume) string {
	if pv.Spec.ClaimRef == nil {
		return ""
	}
	return pv.Spec.ClaimRef.Namespace
}

// volumes returns the cluster's PersistentVolumes, read once. The caller holds the reader's lock.
func (s *site) volumes(ctx context.Context) ([]corev1.PersistentVolume, error) {
	if s.disks.volumes != nil {
		return s.disks.volumes, nil
	}
	volumes, err := s.cluster.Volumes(ctx)
	if err != nil {
		return nil, err
	}
	s.disks.volumes = volumes
	return volumes, nil
}

// volumeOf returns the PersistentVolume of a disk: the one of that name, for a disk may have
// several, such as one that was released and the one that took its place; else any.
func (s *site) volumeOf(ctx context.Context, diskID, name string) (*corev1.PersistentVolume, error) {
	s.disks.mu.Lock()
	defer s.disks.mu.Unlock()
	volumes, err := s.volumes(ctx)
	if err != nil {
		return nil, err
	}
	var found *corev1.PersistentVolume
	for i := range volumes {
		if volume.DiskID(&volumes[i]) != diskID {
			continue
		}
		if volumes[i].Name == name {
			return &volumes[i], nil
		}
		if found == nil {
			found = &volumes[i]
		}
	}
	if found == nil {
		return nil, fmt.Errorf("no persistent volume has the disk %s", diskID)
	}
	return found, nil
}

// claimReader reads the claims of a namespace once.
type claimReader struct {
	mu    sync.Mutex
	known map[string][]corev1.PersistentVolumeClaim
}

// claimsIn returns the claims of a namespace.
func (s *site) claimsIn(ctx context.Context, namespace string) ([]corev1.PersistentVolumeClaim, error) {
	r := &s.claims
	r.mu.Lock()
	defer r.mu.Unlock()
	if claims, ok := r.known[namespace]; ok {
		return claims, nil
	}
	claims, err := s.cluster.Claims(ctx, namespace, nil)
	if err != nil {
		return nil, err
	}
	if r.known == nil {
		r.known = map[string][]corev1.PersistentVolumeClaim{}
	}
	r.known[namespace] = claims
	return claims, nil
}
