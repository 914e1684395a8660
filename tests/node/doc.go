// SPDX-License-Identifier: Apache-2.0

// Package node is what a cluster with nodes has besides its control plane: a scheduler, a kubelet for each node with the
// file system that it mounts volumes in, a provisioner for each CSI driver, a snapshotter for that of disks, and the Cloud
// Backup client on its nodes. The storage behind the volumes is that of the simulated cloud, so that what is written to a
// volume is in the NAS file system, bucket or disk that it is.
//
// It works against a real API server with its kube-controller-manager:
//
//	cluster, err := node.Start(ctx, cp.Client, node.Options{
//		Cloud: cloud, Account: "1234567890123456", Dir: t.TempDir(),
//		Nodes: []node.Config{{Name: "node-1", Zone: "cn-hangzhou-h"}, {Name: "eci", Virtual: true}},
//	})
//	defer cluster.Close()
//
// and against the fake client of controller-runtime, where it stands in for the kube-controller-manager too. There a test
// in simulated time lets happen what is to happen whenever time passes:
//
//	api := node.NewClient(fake.NewClientBuilder().WithScheme(scheme).Build(), time.Now)
//	cluster, err := node.New(ctx, api, node.Options{…, ControllerManager: true})
//	err = api.Create(ctx, pod)        // with a claim, a class, a volume
//	err = cluster.Settle(ctx)         // the claim is bound, the Pod runs
//	dir, err := cluster.Files("node-1").Resolve("/var/lib/kubelet/pods/<uid>/volumes/kubernetes.io~csi/<volume>/mount")
//
// What differs from real nodes: a mount is an entry in a table and not one of this machine, so that the files of a volume are
// found by Files and Content alone; containers do nothing; a volume of OSS is the same as its bucket when it is mounted,
// unmounted or flushed; device files of block volumes do not exist; volumes are not attached, expanded or cloned; a
// VolumeSnapshot has no files.
package node
