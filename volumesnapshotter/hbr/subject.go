// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"strings"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/mount"
)

// subject is a volume of which a backup is wanted.
type subject struct {
	// name is that of the PersistentVolume.
	name string
	// backupName is Velero's backup; backup is nil where it cannot be read.
	backupName string
	backup     *velerov1.Backup
	clusterID  string
	// plan is the name that Velero was told, empty for the one that the volume is yet to have.
	plan string
}

// newSubject finds out what a backup is wanted of. What the cluster does not tell costs no
// data, so that it is a warning; an error is that nobody watches what becomes of the data.
func (s *site) newSubject(ctx context.Context, tags map[string]string) subject {
	found := subject{name: tags[tagVolume], backupName: tags[tagBackup]}
	log := s.log.WithField("persistentVolume", found.name).WithField("backup", found.backupName)
	var err error
	if found.clusterID, err = s.cluster.ID(ctx); err != nil {
		log.WithError(err).Warn("The plan does not carry the cluster's id: were this process killed, nobody would delete the plan")
	}
	if found.backup, err = s.cluster.Backup(ctx, found.backupName); err != nil {
		found.backup = nil
		log.WithError(err).Error("The snapshot stays until it is deleted, and nobody asks whether it succeeds: the backup that it is for could not be read")
	}
	return found
}

// subjectOf is the volume of a backup that has begun.
func (s *site) subjectOf(ctx context.Context, backup *velerov1.Backup, pv string) (subject, error) {
	clusterID, err := s.cluster.ID(ctx)
	return subject{name: pv, backupName: backup.Name, backup: backup, clusterID: clusterID}, err
}

// maxBackupName is how much of a backup's name a plan's has: CreateBackupPlan takes 64
// characters, and a plan's name is unique in its vault.
const maxBackupName = 38

// planPrefix begins the names of the plans of a backup. The jobs have them too, so that
// they begin as the backup center's do.
func planPrefix(clusterID, backup string) string {
	return backup[:min(len(backup), maxBackupName)] + planMark(clusterID)
}

// planMark is what the names of all plans of a cluster have.
func planMark(clusterID string) string { return "-hbr-" + digest(clusterID) + "-" }

// planName is the same one for the same volume in the same backup.
func (v subject) planName() string {
	backupID := rand.Text()
	if v.backup != nil {
		backupID = string(v.backup.UID)
	}
	return cmp.Or(v.plan, planPrefix(v.clusterID, v.backupName)+volumeMark(backupID, v.name))
}

// jobName is that of the job that backs the volume up on a node: the same one for the same
// volume in the same backup, but for the node at its end.
func (v subject) jobName(node string) string { return v.planName() + "-" + digest(node) }

// owner is whose temporary objects are made to mount the volume.
func (v subject) owner() mount.Owner {
	return mount.Owner{Kind: mount.Backup, Run: v.backup.UID, Mark: volumeMark(string(v.backup.UID), v.name)}
}

// digest is short, and another one for other texts, as long as they are few.
func digest(texts ...string) string {
	sum := sumOf(texts...)
	return hex.EncodeToString(sum[:4])
}

// volumeMark tells a volume of a backup from all others, of which there may be thousands: one
// with the mark of another would be taken for it, and not be backed up.
func volumeMark(backupID, name string) string {
	const length = 10 // Of 5 bits each.
	sum := sumOf(backupID, name)
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:length])
}

func sumOf(texts ...string) [sha256.Size]byte {
	return sha256.Sum256([]byte(strings.Join(texts, "\n")))
}
