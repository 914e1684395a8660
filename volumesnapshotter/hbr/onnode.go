// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/alibabacloud-go/tea/tea"
	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/agent"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/mount"
)

// clockDifference is by how much the cluster's clock may be ahead of the cloud's.
const clockDifference = time.Hour

// errUnread is for what a job on a node is named by.
var errUnread = errors.New("the backup or the cluster's id could not be read, by which a job on a node is found again")

// beginOnNode begins the job of the client that backs a volume up, and returns its id, or
// what it waits for. To call it again begins no second one.
func (s *site) beginOnNode(ctx context.Context, api *alicloud.HBR, vaultID string, of subject, pv *corev1.PersistentVolume) (jobID, waiting string, err error) {
	if of.backup == nil || of.clusterID == "" {
		return "", "", final.Of(errUnread)
	}
	s.nodes.Lock() // Two volumes must not choose the same node.
	defer s.nodes.Unlock()
	key := string(of.backup.UID) + " " + vaultID
	jobs, err := s.onNodes.Get(key, api.Now, func() ([]job, error) { return s.jobsOnNodes(ctx, api, vaultID, of) })
	if err != nil {
		return "", "", err
	}
	if known := jobNamed(jobs, of.planName()); known != nil {
		return known.id, "", nil
	}
	clusterID, err := s.registered(ctx, api)
	if err != nil {
		return "", "", err
	}
	at, waiting, err := s.mountedAt(ctx, of, pv, jobs)
	if err != nil || waiting != "" {
		return "", waiting, err
	}
	waiting, err = s.agents.Ready(ctx, at.Node)
	if err != nil || waiting != "" {
		return "", waiting, fail(checkingClient, "node "+at.Node, err)
	}
	request, err := containerBackup(vaultID, clusterID, of, pv, at)
	if err != nil {
		return "", "", err
	}
	request.Retention = s.retentionDays(api, of)
	if s.speedLimit != "" {
		request.SpeedLimit = tea.String(s.speedLimit)
	}
	defer s.onNodes.Drop(key)
	jobID, err = createOnce(ctx, api, func(ctx context.Context) (string, error) {
		answer, err := api.CreateBackupJob(ctx, request)
		if err != nil {
			return "", err
		}
		return tea.StringValue(answer.JobId), nil
	}, func(ctx context.Context) (string, error) {
		jobs, err := s.jobsOnNodes(ctx, api, vaultID, of)
		if known := jobNamed(jobs, of.planName()); known != nil {
			return known.id, err
		}
		return "", err
	})
	return jobID, "", err
}

// registered returns the id by which Cloud Backup knows this cluster, whose client then can
// have its token.
func (s *site) registered(ctx context.Context, api *alicloud.HBR) (string, error) {
	identifier, err := s.identifier(ctx)
	if err != nil {
		return "", err
	}
	id, err := s.registrations.Get(identifier, func() (string, error) {
		return s.agents.Registered(ctx, registry{api}, identifier)
	})
	return id, fail(checkingClient, "cluster "+identifier, err)
}

// identifier is what Cloud Backup is told that the cluster is: the id that the location or
// ACK has for it, else one that no other cluster has.
func (s *site) identifier(ctx context.Context) (string, error) {
	if s.clusterID != "" {
		return s.clusterID, nil
	}
	id, err := s.cluster.ACKID(ctx)
	if err != nil || id != "" {
		return id, err
	}
	return s.cluster.ID(ctx)
}

// jobsOnNodes returns the jobs on nodes of a backup.
func (s *site) jobsOnNodes(ctx context.Context, api *alicloud.HBR, vaultID string, of subject) ([]job, error) {
	all, err := backupJobsSince(ctx, api, sourceContainer, of.backup.CreationTimestamp.Add(-clockDifference), "VaultId", vaultID)
	if err != nil {
		return nil, err
	}
	var ofBackup []job
	for _, j := range all {
		if strings.HasPrefix(j.name, planPrefix(of.clusterID, of.backupName)) {
			ofBackup = append(ofBackup, j)
		}
	}
	return ofBackup, nil
}

// jobNamed returns the job whose name has the prefix that is a volume's, nil for none.
func jobNamed(jobs []job, prefix string) *job {
	for i := range jobs {
		if strings.HasPrefix(jobs[i].name, prefix+"-") {
			return &jobs[i]
		}
	}
	return nil
}

// mountedAt returns where the volume is mounted on a node that may run its job now, or what
// is waited for. A volume that no Pod mounts is mounted by one that is made for it.
func (s *site) mountedAt(ctx context.Context, of subject, pv *corev1.PersistentVolume, jobs []job) (mount.Place, string, error) {
	mounted, err := s.mounts.Mounted(ctx, pv)
	if err != nil {
		return mount.Place{}, "", err
	}
	nodes, err := s.mounts.Nodes(ctx)
	if err != nil {
		return mount.Place{}, "", err
	}
	search := agent.Search{Policy: s.policy, PV: pv, Busy: busy(nodes, jobs)}
	if len(mounted) == 0 {
		return s.mounts.Mount(ctx, of.owner(), pv, search)
	}
	for _, at := range mounted {
		search.Mounting = append(search.Mounting, at.Node)
	}
	node, err := search.Choose(nodes)
	var none *agent.NoNodeError
	if errors.As(err, &none) {
		waiting, err := none.Outcome()
		return mount.Place{}, waiting, err
	}
	if err != nil {
		return mount.Place{}, "", err
	}
	return mounted[slices.IndexFunc(mounted, func(at mount.Place) bool { return at.Node == node })], "", nil
}

// busy returns the nodes that run a job of the backup: one may run on each at a time.
func busy(nodes []corev1.Node, jobs []job) map[string]bool {
	running := map[string]bool{}
	for _, j := range jobs {
		if !j.hasEnded() {
			running[j.name[strings.LastIndexByte(j.name, '-')+1:]] = true
		}
	}
	found := map[string]bool{}
	for i := range nodes {
		if running[digest(nodes[i].Name)] {
			found[nodes[i].Name] = true
		}
	}
	return found
}

// begunLater returns the id with the job that has begun since Velero was told it; the same
// one if none has, and where none had to wait.
func begunLater(ctx context.Context, api *alicloud.HBR, id snapshotID) (snapshotID, error) {
	if !id.waits() {
		return id, nil
	}
	all, err := backupJobs(ctx, api, id.sourceType(), "VaultId", id.vault)
	if known := jobNamed(all, id.job); err == nil && known != nil {
		id.job = known.id
	}
	return id, err
}
