// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/agent"
)

const defaultRoot = agent.DefaultKubeletRoot

// volumeFrom returns the PersistentVolume of a YAML text.
func volumeFrom(tb testing.TB, text string) *corev1.PersistentVolume {
	tb.Helper()
	pv := &corev1.PersistentVolume{}
	if err := yaml.UnmarshalStrict([]byte(text), pv); err != nil {
		tb.Fatalf("the test's PersistentVolume: %v", err)
	}
	return pv
}

// Volumes of all kinds.
const (
	nasVolume      = `spec: {csi: {driver: nasplugin.csi.alibabacloud.com, volumeHandle: nas-1, volumeAttributes: {server: 31a8e4-x.cn-hangzhou.nas.aliyuncs.com, path: /shop}}}`
	nasFlexVolume  = `spec: {flexVolume: {driver: alicloud/nas, options: {server: 31a8e4-x.cn-hangzhou.nas.aliyuncs.com, path: /shop}}}`
	ossFlexVolume  = `spec: {flexVolume: {driver: alicloud/oss, options: {bucket: shop, url: "https://oss-cn-hangzhou.aliyuncs.com"}}}`
	localVolume    = `spec: {local: {path: /mnt/disks/1}, nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node-1]}]}]}}}`
	nfsVolume      = `spec: {nfs: {server: 10.0.0.9, path: /exports/a/}}`
	otherCSI       = `spec: {csi: {driver: cephfs.csi.ceph.com, volumeHandle: 0001-0024}}`
	inTreeDisk     = `spec: {awsElasticBlockStore: {volumeID: vol-1}}`
	diskFlexVolume = `spec: {flexVolume: {driver: alicloud/disk, options: {volumeId: d-1}}}`
	hostPathVolume = `spec: {hostPath: {path: /data/../data/shop/}}`
)
