// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/follow"
)

// follow begins to settle the cluster whenever something happens.
func (c *Cluster) follow(ctx context.Context) (err error) {
	lists := []client.ObjectList{
		&corev1.NodeList{}, &corev1.PodList{}, &corev1.PersistentVolumeClaimList{}, &corev1.PersistentVolumeList{},
	}
	if c.options.ControllerManager {
		lists = append(lists, &appsv1.DaemonSetList{})
	}
	if c.options.Snapshots {
		lists = append(lists, &snapshotv1.VolumeSnapshotList{}, &snapshotv1.VolumeSnapshotContentList{})
	}
	c.follower, err = follow.Start(ctx, follow.Options{Client: c.client, Lists: lists, Round: c.Settle, Report: c.report})
	return err
}

// report keeps an error for Close.
func (c *Cluster) report(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = append(c.failed, err)
}
