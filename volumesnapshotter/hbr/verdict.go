// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/endpoint"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/mount"
)

// outcome is what becomes of a volume in a backup.
type outcome int

// The outcomes.
const (
	// left is a volume that is not ours to take.
	left outcome = iota
	// leftWithWarning is one that is left, and whose data is likely to be missed.
	leftWithWarning
	// refused is one that is ours and cannot be taken.
	refused
	// taken is one that is backed up.
	taken
)

func (o outcome) String() string {
	return [...]string{"left", "left with a warning", "refused", "taken"}[o]
}

// verdict is what becomes of a volume in a backup, and why.
type verdict struct {
	outcome outcome
	// methods are the ways to take it, the preferred one first. Another one may be
	// tried where the account may not use the one before.
	methods []method
	// reason says why it is not taken, or why agentless is not among methods though it
	// would be for others of its kind.
	reason string
}

// Reasons.
const (
	reasonECS       = "disks are backed up by ECS snapshots (config key enableECSSnapshot)"
	reasonForeign   = "it is no file system of CSI"
	reasonBlock     = "Cloud Backup does not support backing up volumes whose volumeMode is Block"
	reasonHostPath  = "Cloud Backup reads hostPath volumes only below the directory of the nodes that its client mounts (config key hostPathRoot)"
	reasonAgentless = "Cloud Backup reads NAS and OSS volumes alone without a client on a node (config key method)"
	reasonUnnamed   = "its PersistentVolume does not name its file system or bucket"
)

// kinds are those of volumes that can be taken.
func kinds() []volume.Kind {
	return []volume.Kind{
		volume.KindNAS, volume.KindOSS, volume.KindCPFS, volume.KindLocal, volume.KindNFS, volume.KindOther,
		volume.KindDisk, volume.KindHostPath,
	}
}

// judge says what becomes of pv in a backup by a location in region, which is empty
// where it is not known yet.
func (l *location) judge(pv *corev1.PersistentVolume, region string) verdict {
	switch kind := volume.KindOf(pv); {
	case kind == volume.KindDisk && l.ecsSnapshots:
		return verdict{outcome: left, reason: reasonECS}
	case kind == volume.KindOther && (volume.FormOf(pv) != volume.FormCSI || volume.IsBlock(pv)):
		return verdict{outcome: left, reason: reasonForeign}
	case kind == volume.KindHostPath && !mount.SeesHostPath(l.hostPathRoot, pv):
		return verdict{outcome: leftWithWarning, reason: reasonHostPath}
	case volume.IsBlock(pv):
		return verdict{outcome: refused, reason: reasonBlock}
	case kind == volume.KindNAS || kind == volume.KindOSS:
		return l.judgeAgentless(pv, region)
	case l.method == agentless:
		return verdict{outcome: leftWithWarning, reason: reasonAgentless}
	default:
		return verdict{outcome: taken, methods: []method{onNode}}
	}
}

// judgeAgentless judges a volume that Cloud Backup can read by itself.
func (l *location) judgeAgentless(pv *corev1.PersistentVolume, region string) verdict {
	if l.method == onNode {
		return verdict{outcome: taken, methods: []method{onNode}}
	}
	obstacle := agentlessObstacle(pv, region)
	switch {
	case obstacle == "" && l.method == agentless:
		return verdict{outcome: taken, methods: []method{agentless}}
	case obstacle == "":
		return verdict{outcome: taken, methods: []method{agentless, onNode}}
	case l.method == agentless:
		return verdict{outcome: refused, reason: obstacle}
	default:
		return verdict{outcome: taken, methods: []method{onNode}, reason: obstacle}
	}
}

// agentlessObstacle says why Cloud Backup cannot read pv by itself; "" if it can.
func agentlessObstacle(pv *corev1.PersistentVolume, region string) string {
	of := storageOf(pv)
	if of.fileSystem == "" && of.bucket == "" {
		return reasonUnnamed
	}
	if its := storageRegion(pv); its != "" && region != "" && its != region {
		return fmt.Sprintf("it is in %s, and a vault of %s takes what is there alone", its, region)
	}
	return ""
}

// storageRegion returns the region that the address of a NAS file system or of a
// bucket names, "" if it names none.
func storageRegion(pv *corev1.PersistentVolume) string {
	if fs, ok := volume.FileSystemOf(pv); ok && volume.NASFileSystemID(fs.Server) != "" {
		// <file system>-<suffix>.<region>.nas.aliyuncs.com
		return strings.Split(fs.Server, ".")[1]
	}
	if bucket, ok := volume.BucketOf(pv); ok {
		if address, err := endpoint.Parse(bucket.URL); err == nil {
			region, _ := endpoint.RegionOfOSS(address)
			return region
		}
	}
	return ""
}
