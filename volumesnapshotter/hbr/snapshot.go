// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"

	sdk "github.com/alibabacloud-go/hbr-20170908/v2/client"
	"github.com/alibabacloud-go/tea/tea"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/begun"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/retention"
)

// Why a backup of a volume is not begun.
var (
	errBeingRestored = errors.New("the volume is still being restored: back up again when its restore has ended")
	errForeignVolume = errors.New("the id is none of a volume that Cloud Backup takes")
)

// subject is a volume of which a backup is wanted.
type subject struct {
	// name is that of the PersistentVolume.
	name string
	// backupName is Velero's backup; backup is nil where it cannot be read.
	backupName string
	backup     *velerov1.Backup
	clusterID  string
}

// snapshot begins the backup of a volume, by the first method that the account may use.
func (s *site) snapshot(ctx context.Context, id string, of subject) (snapshotID, error) {
	api, err := s.api(ctx)
	if err != nil {
		return snapshotID{}, err
	}
	if strings.HasPrefix(id, pendingPrefix) {
		return snapshotID{}, errBeingRestored
	}
	wanted, ok := parseVolumeID(id)
	if !ok {
		return snapshotID{}, errForeignVolume
	}
	pv, err := s.cluster.Volume(ctx, of.name)
	if err != nil {
		return snapshotID{}, err
	}
	found := s.judge(pv, api.Region())
	if found.outcome != taken {
		return snapshotID{}, errors.New(found.reason)
	}
	vaultID, err := s.usableVault(ctx, api)
	if err != nil {
		return snapshotID{}, err
	}
	s.sweep.Begin(func() { s.sweepAll(context.WithoutCancel(ctx), api, vaultID, of.clusterID) })
	made := snapshotID{region: api.Region(), vault: vaultID, kind: wanted.kind, source: wanted.source}
	var denied error
	for _, way := range found.methods {
		made.method = way
		begun, err := s.begin(ctx, api, made, of, pv)
		switch {
		case err == nil:
			return begun, nil
		case !isDenied(err):
			return snapshotID{}, errors.Join(err, denied)
		}
		s.log.WithField("persistentVolume", of.name).WithError(err).Infof("The account may not use the method %s (config key method)", way)
		denied = errors.Join(denied, err)
	}
	return snapshotID{}, denied
}

// isDenied tells whether the account lacks a permission.
func isDenied(err error) bool {
	_, answered := failure.Of(err)
	return answered && failure.Classify(err) == failure.Denied
}

// begin begins the job of a snapshot that has none yet, by its method. A job on a node
// that cannot be begun now stands as the name that it will have: SnapshotProgress begins it.
func (s *site) begin(ctx context.Context, api *alicloud.HBR, made snapshotID, of subject, pv *corev1.PersistentVolume) (snapshotID, error) {
	if made.method == agentless {
		return s.beginAgentless(ctx, api, made, of)
	}
	job, waiting, err := s.beginOnNode(ctx, api, made.vault, of, pv)
	switch {
	case final.Is(err):
		return snapshotID{}, errors.Join(err, s.unmount(context.WithoutCancel(ctx), of))
	case err != nil:
		waiting = err.Error()
	}
	made.job = job
	if waiting != "" {
		s.log.WithField("persistentVolume", of.name).Info("The backup of the volume is begun later: " + waiting)
		made.job = of.planName()
	}
	return made, made.check()
}

// note keeps what was begun for who asks how far it is.
func (s *site) note(ctx context.Context, of subject, made string) {
	if of.backup == nil {
		return // That it is not known was told.
	}
	if err := s.begun.Note(ctx, begun.OfBackup(of.backup), of.name, made); err != nil {
		s.log.WithField("persistentVolume", of.name).WithError(err).
			Error("Nobody will know whether the backup of the volume succeeds")
	}
}

// subject finds out what a backup is wanted of. What the cluster does not tell costs no
// data, so that it is a warning.
func (s *site) subject(ctx context.Context, tags map[string]string) subject {
	found := subject{name: tags[tagVolume], backupName: tags[tagBackup]}
	log := s.log.WithField("persistentVolume", found.name).WithField("backup", found.backupName)
	var err error
	if found.clusterID, err = s.cluster.ID(ctx); err != nil {
		log.WithError(err).Warn("The plan does not carry the cluster's id: were this process killed, nobody would delete the plan")
	}
	if found.backup, err = s.cluster.Backup(ctx, found.backupName); err != nil {
		found.backup = nil
		log.WithError(err).Warn("The snapshot stays until it is deleted, and nobody asks whether it succeeds: the backup that it is for could not be read")
	}
	return found
}

// retentionDays is how long Cloud Backup keeps the snapshot of a volume.
func (s *site) retentionDays(api *alicloud.HBR, of subject) *int64 {
	return tea.Int64(int64(s.retention.DaysFor(retention.TimeToLive(of.backup, api.Now()), retentionLimits())))
}

// maxBackupName is how much of a backup's name a plan's has: CreateBackupPlan takes 64
// characters, and a plan's name is unique in its vault.
const maxBackupName = 40

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
	return planPrefix(v.clusterID, v.backupName) + digest(backupID, v.name)
}

// digest is short, and another one for other texts.
func digest(texts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(texts, "\n")))
	return hex.EncodeToString(sum[:4])
}

// neverScheduled is a schedule whose first run is in 2100: the plan is run at once, and
// must not be run again where it is left.
const neverScheduled = "I|4102444800|P1D"

// beginAgentless begins a job of Cloud Backup that reads the storage by itself. Such a
// job is one of a plan, which is deleted when the job has ended: to delete it before
// would delete the job.
func (s *site) beginAgentless(ctx context.Context, api *alicloud.HBR, made snapshotID, of subject) (snapshotID, error) {
	var err error
	if made.source.fileSystem != "" {
		if made.source.created, err = s.createdAt(ctx, api.Region(), made.source.fileSystem); err != nil {
			return snapshotID{}, err
		}
	}
	kind := sourceType(made.kind)
	request := s.planRequest(api, made, of)
	planID, err := createOnce(ctx, api, func(ctx context.Context) (string, error) {
		answer, err := api.CreateBackupPlan(ctx, request)
		if err != nil {
			return "", err
		}
		return tea.StringValue(answer.PlanId), nil
	}, func(ctx context.Context) (string, error) {
		return planOfName(ctx, api, made.vault, kind, *request.PlanName)
	})
	if err != nil {
		return snapshotID{}, err
	}
	if made.job, err = execute(ctx, api, made.vault, kind, planID); err == nil {
		err = made.check()
	}
	if err != nil {
		return snapshotID{}, errors.Join(err, deletePlan(context.WithoutCancel(ctx), api, made.vault, kind, planID))
	}
	return made, nil
}

// planRequest is the plan for one run.
func (s *site) planRequest(api *alicloud.HBR, made snapshotID, of subject) *sdk.CreateBackupPlanRequest {
	request := &sdk.CreateBackupPlanRequest{
		SourceType: tea.String(sourceType(made.kind)), VaultId: tea.String(made.vault), PlanName: tea.String(of.planName()),
		BackupType: tea.String("COMPLETE"), Schedule: tea.String(neverScheduled),
		Retention: s.retentionDays(api, of),
	}
	if s.speedLimit != "" {
		request.SpeedLimit = tea.String(s.speedLimit)
	}
	if made.source.bucket != "" {
		request.Bucket, request.Prefix = tea.String(made.source.bucket), tea.String(made.source.prefix)
		return request
	}
	request.FileSystemId, request.CreateTime = tea.String(made.source.fileSystem), seconds(made.source.created)
	request.Path = []*string{tea.String(made.source.path)}
	return request
}

// planOfName returns the id of the plan of a name, "" for none.
func planOfName(ctx context.Context, api *alicloud.HBR, vaultID, kind, name string) (string, error) {
	found, err := plansIn(ctx, api, vaultID, kind)
	if err != nil {
		return "", err
	}
	for _, p := range found {
		if p.name == name {
			return p.id, nil
		}
	}
	return "", nil
}

// execute runs a plan and returns its job.
func execute(ctx context.Context, api *alicloud.HBR, vaultID, kind, planID string) (string, error) {
	return createOnce(ctx, api, func(ctx context.Context) (string, error) {
		answer, err := api.ExecuteBackupPlan(ctx, &sdk.ExecuteBackupPlanRequest{
			PlanId: tea.String(planID), SourceType: tea.String(kind), VaultId: tea.String(vaultID),
		})
		if err != nil {
			return "", err
		}
		return tea.StringValue(answer.JobId), nil
	}, func(ctx context.Context) (string, error) {
		found, err := first(backupJobs(ctx, api, kind, "PlanId", planID))
		if err != nil || found == nil {
			return "", err
		}
		return found.id, nil
	})
}
