// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/agent"
)

// Mount has a copy of pv's storage mounted on a node, and returns the place once it is.
// Before that it says what is waited for, and is to be called again. where has the policy
// and the nodes that are busy by other jobs of the run.
//
// The copy is a PersistentVolume that shares pv's storage, not a copy of the data. Errors
// that no other attempt helps are final: a node that the volume needs and that is not
// allowed (*agent.NoNodeError), a volume that cannot be mounted, what is not there in
// time (*UnboundError, *NotRunningError).
func (m *Mounts) Mount(ctx context.Context, owner Owner, pv *corev1.PersistentVolume, where agent.Search) (place Place, waiting string, err error) {
	t, err := m.of(owner)
	if err != nil {
		return Place{}, "", err
	}
	if err := m.config.visible(pv); err != nil {
		return Place{}, "", err
	}
	if err := m.located(ctx, pv); err != nil {
		return Place{}, "", err
	}
	copied := t.copyOf(pv)
	where.PV = copied
	pod, waiting, err := t.running(ctx, where, func(ctx context.Context) (string, error) { return t.ensureCopy(ctx, copied) })
	if pod == nil {
		return Place{}, waiting, err
	}
	place, err = placeIn(m.config.KubeletRoot, pod, copied)
	return place, "", err
}

// located returns a final error for a directory of a node that nobody knows.
func (m *Mounts) located(ctx context.Context, pv *corev1.PersistentVolume) error {
	if volume.KindOf(pv) != volume.KindHostPath || pv.Spec.NodeAffinity != nil {
		return nil
	}
	nodes, err := m.Nodes(ctx)
	if err == nil && len(nodes) > 1 {
		return final.Errorf("no pod mounts the hostPath volume %s, and its node affinity does not tell on which node it is", pv.Name)
	}
	return err
}

// ensureCopy makes the temporary PersistentVolume and its claim where they are missing.
func (t temporary) ensureCopy(ctx context.Context, copied *corev1.PersistentVolume) (waiting string, err error) {
	former, err := t.copy(ctx)
	if err != nil {
		return "", err
	}
	claim, err := t.claim(ctx)
	if err != nil {
		return "", err
	}
	switch {
	case claim != nil && claim.DeletionTimestamp != nil:
		return fmt.Sprintf("the former claim %s to be gone", t), nil
	case former != nil && former.DeletionTimestamp != nil:
		return fmt.Sprintf("the former volume %s to be gone", former.Name), nil
	case former != nil && former.Status.Phase == corev1.VolumeReleased:
		// Its claim is gone, and it takes no other.
		return fmt.Sprintf("the former volume %s to be gone", former.Name), remove(ctx, t.api, "PersistentVolume", former)
	}
	if former == nil {
		if err := create(ctx, t.api, "PersistentVolume", copied); err != nil {
			return "", err
		}
	}
	if claim == nil {
		return "", create(ctx, t.api, "PersistentVolumeClaim", t.claimOfCopy(copied))
	}
	return "", nil
}
