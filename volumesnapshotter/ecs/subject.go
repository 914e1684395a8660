// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// subject is a disk of which a snapshot is wanted, with the backup that wants it.
type subject struct {
	disk disk
	// pv and claim are nil where the cluster does not have them.
	pv        *corev1.PersistentVolume
	claim     *corev1.PersistentVolumeClaim
	clusterID string
	// backup is nil where it cannot be read.
	backup *velerov1.Backup
	// tags are those that Velero asks for: the backup's name and labels, the volume's name.
	tags map[string]string
}

// backupOf returns the backup that a snapshot is for, nil where it cannot be read. Who is
// waiting for the backup must know then that nobody watches the snapshot.
func (s *site) backupOf(ctx context.Context, tags map[string]string) *velerov1.Backup {
	backup, err := s.cluster.Backup(ctx, tags[tagBackup])
	if err != nil {
		s.log.WithField("backup", tags[tagBackup]).WithField("persistentVolume", tags[tagVolume]).WithError(err).
			Error("The snapshot has no retention, and nobody asks whether it succeeds: the backup that it is for could not be read")
		return nil
	}
	return backup
}

// subject finds out what a snapshot is wanted of. What the cluster does not tell is
// missing from the snapshot's tags and costs no data, so that it is a warning.
func (s *site) subject(ctx context.Context, diskID string, tags map[string]string, backup *velerov1.Backup) subject {
	found := subject{disk: s.describe(ctx, diskID), tags: tags, backup: backup}
	log := s.log.WithField("disk", diskID).WithField("backup", tags[tagBackup])
	var err error
	if found.clusterID, err = s.cluster.ID(ctx); err != nil {
		log.WithError(err).Warn("The snapshot does not carry the cluster's id: were this backup to fail, nobody would delete it before its retention ends")
	}
	if found.pv, err = s.volumeOf(ctx, diskID, tags[tagVolume]); err != nil {
		log.WithError(err).Warn("The snapshot does not tell which claim it is of")
		return found
	}
	if ref := found.pv.Spec.ClaimRef; ref != nil {
		claims, err := s.claimsIn(ctx, ref.Namespace)
		if err != nil {
			log.WithError(err).Warn("The claim of the volume could not be read: it is not backed up together with a consistency group")
		}
		for i := range claims {
			if claims[i].Name == ref.Name {
				found.claim = &claims[i]
			}
		}
	}
	return found
}

// record is what the snapshot's tags are to tell.
func (v subject) record() record {
	r := record{
		clusterID: v.clusterID,
		backup:    v.tags[tagBackup],
		volume:    v.tags[tagVolume],
		disk:      v.disk.spec,
		diskTags:  v.disk.tags,
		group:     v.group(),
	}
	if v.backup != nil {
		r.backupUID = string(v.backup.UID)
	}
	if v.pv != nil {
		r.claim.StorageClass, r.claim.Block = volume.ClassOf(v.pv), volume.IsBlock(v.pv)
		r.flexVolume = volume.FormOf(v.pv) == volume.FormFlexVolume
		if ref := v.pv.Spec.ClaimRef; ref != nil {
			r.claim.Namespace, r.claim.Name = ref.Namespace, ref.Name
		}
	}
	return r
}

// backupID names the backup for a ClientToken: a second backup of the same name is another one.
func (v subject) backupID() string {
	if v.backup != nil {
		return string(v.backup.UID)
	}
	return rand.Text()
}

// clientToken derives the ClientToken of a request (at most 64 ASCII characters)
// from what it makes, so that a request that is sent again finds what the first one made.
func clientToken(parts ...any) string {
	sum := sha256.Sum256([]byte(strings.TrimSpace(fmt.Sprintln(parts...))))
	return hex.EncodeToString(sum[:])
}
