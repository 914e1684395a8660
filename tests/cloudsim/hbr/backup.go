// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/oss"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/tree"
)

// Types of backups.
const (
	backupComplete    = "COMPLETE"
	backupIncremental = "INCREMENTAL"
)

const paramJobID = "JobId"

// backup is a backup job. What it has copied is a directory, which becomes that of a snapshot.
type backup struct {
	job
	name      string
	retention int64
	// plan and source are those of an agentless job.
	plan   string
	source source
	// volume is what a job on a node backs up.
	volume volume
	// keys are the objects that an OSS job copies, in the order of its items.
	keys []string
	// kept says that the job's snapshot has been made.
	kept bool
}

// volume is what the service is told of a volume of a container cluster.
type volume struct {
	cluster string
	// id is the uid of the PersistentVolume.
	id string
	// node, hostPrefix and pvPath are where it is.
	node, hostPrefix, pvPath string
	// info is what the service shows of it.
	info string
}

func (v volume) String() string { return v.node + ":" + v.hostPrefix + v.pvPath }

func (s *Service) backupOperations() []operation {
	return []operation{
		{
			action: "CreateBackupJob", target: "JobName", handle: s.createBackupJob,
			lacks: []string{
				"CrossAccountRoleName", "CrossAccountType", "CrossAccountUserId", paramClusterID, "Detail", "Exclude", "Include",
				"InstanceId",
			},
		},
		{action: "CancelBackupJob", target: paramJobID, handle: s.cancelBackupJob},
		{action: "DescribeBackupJobs2", handle: s.describeBackupJobs},
		{action: "SearchHistoricalSnapshots", handle: s.searchSnapshots, lacks: []string{"Order", "SortBy"}},
		{
			action: "DeleteSnapshot", target: paramSnapshotID, handle: s.deleteSnapshot,
			lacks: []string{"ClientId", "InstanceId"},
		},
	}
}

// newBackup returns a job that has neither a source nor its work yet.
func (s *Service) newBackup(r *request, subject string) *backup {
	return &backup{job: s.newJob(r, prefixJob, FaultBackup, subject, s.durations.Backup.Duration)}
}

// begin starts a job with what it has to do.
func (s *Service) begin(r *request, b *backup) error {
	s.backups[b.id] = b
	b.run(r.now)
	return s.keep(b)
}

func (b *backup) started() map[string]string { return map[string]string{paramJobID: b.id} }

// beginAgentless starts a job of a plan.
func (s *Service) beginAgentless(r *request, b *backup) error {
	to, err := s.makeContent(b.id)
	if err != nil {
		return err
	}
	if b.kind == kindOSS {
		s.prepareObjects(b, to)
		return s.begin(r, b)
	}
	dir, err := s.fileSystem(r, b.source.fileSystem, b.source.created)
	if err != nil {
		b.refuse(messageSourceNotExist) // the file system has gone since the plan was made
		return s.begin(r, b)
	}
	b.prepareTree(tree.NewMachine(dir), b.source.path, to)
	return s.begin(r, b)
}

func (s *Service) makeContent(jobID string) (string, error) {
	dir := s.content(jobID)
	return dir, os.Mkdir(dir, 0o700)
}

// prepareObjects lets a job copy the objects of a bucket with a prefix. Assumed: a bucket that has gone is a source that
// does not exist.
func (s *Service) prepareObjects(b *backup, to string) {
	objects := s.cloud.Buckets.Objects(b.source.bucket)
	if objects == nil {
		b.refuse(messageSourceNotExist)
		return
	}
	classes := map[string]string{}
	for _, o := range objects {
		if strings.HasPrefix(o.Key, b.source.prefix) {
			b.keys = append(b.keys, o.Key)
			b.work.sizes = append(b.work.sizes, o.Size)
			classes[o.Key] = o.StorageClass
		}
	}
	b.work.copy = func(item int) error {
		key := b.keys[item]
		// "Objects of the Archive, Cold Archive, and Deep Cold Archive storage classes cannot be backed up".
		if class := classes[key]; class != oss.ClassStandard && class != oss.ClassIA {
			return errors.New("the object is archived")
		}
		data, err := s.cloud.Buckets.Read(b.source.bucket, key)
		if err != nil {
			return err
		}
		return os.WriteFile(objectFile(to, item), data, 0o600)
	}
}

// resourceItem is an item of the parameter ContainerResources.
type resourceItem struct {
	ResourceType string `json:"resourceType"`
	BackupMethod string `json:"backupMethod"`
	ResourceID   string `json:"resourceId"`
	ResourceInfo string `json:"resourceInfo"`
	Host         string `json:"host"`
	HostPrefix   string `json:"hostPrefix"`
	PVPath       string `json:"pvPath"`
}

// createBackupJob starts a job on a node.
func (s *Service) createBackupJob(r *request) (any, error) {
	v, err := s.useVault(r)
	if err != nil {
		return nil, err
	}
	if kind := r.Params.String(paramSourceType); kind != kindContainer {
		// "Valid value: CONTAINER, which indicates container backup."
		return nil, illegal("SourceType is not CONTAINER")
	}
	if !oneOf(r.Params.String("BackupType"), backupComplete, backupIncremental) {
		return nil, illegal("BackupType is neither COMPLETE nor INCREMENTAL")
	}
	days, err := readRetention(r.Params)
	if err != nil {
		return nil, err
	}
	c, ok := find(r, s.clusters, r.Params.String("ContainerClusterId"))
	if !ok {
		return nil, resourceNotFound()
	}
	from, err := readVolume(r.Params.String("ContainerResources"))
	if err != nil {
		return nil, err
	}
	from.cluster = c.id
	b := s.newBackup(r, from.String())
	b.vault, b.kind, b.name, b.retention, b.volume = v.id, kindContainer, r.Params.String("JobName"), days, from
	to, err := s.makeContent(b.id)
	if err != nil {
		return nil, err
	}
	if agent, ok := c.agents[from.node]; ok {
		b.prepareTree(agent.Files, agent.sourcePath(from.hostPrefix, from.pvPath), to)
	} else {
		b.refuse(messageClientNotExist)
	}
	if err := s.begin(r, b); err != nil {
		return nil, err
	}
	return b.started(), nil
}

// prepareTree lets a job copy a directory of a machine.
func (b *backup) prepareTree(files *tree.Machine, name, to string) {
	from, err := files.Resolve(name)
	if err == nil {
		b.work, err = treeWork(from, to, place{files: files, name: name, dir: from})
	}
	if err != nil {
		b.refuse(messageSourceNotExist)
	}
}

// readVolume reads the parameter ContainerResources.
func readVolume(text string) (volume, error) {
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields()
	var items []resourceItem
	if err := decoder.Decode(&items); err != nil {
		return volume{}, illegal("ContainerResources is not a list of resources")
	}
	if len(items) != 1 {
		return volume{}, notSimulated("backup jobs of any but one volume")
	}
	item := items[0]
	switch {
	case item.ResourceType != "PV" || item.BackupMethod != "FILE":
		return volume{}, illegal("a resource is not a PV that is backed up as files")
	case item.ResourceID == "" || item.Host == "" || item.HostPrefix == "" || !strings.HasPrefix(item.PVPath, "/"):
		return volume{}, illegal("a resource lacks resourceId, host, hostPrefix or pvPath")
	case !json.Valid([]byte(item.ResourceInfo)):
		return volume{}, illegal("resourceInfo is not JSON")
	}
	return volume{
		id: item.ResourceID, node: item.Host, hostPrefix: item.HostPrefix, pvPath: item.PVPath, info: item.ResourceInfo,
	}, nil
}

func (s *Service) cancelBackupJob(r *request) (any, error) {
	b, ok := find(r, s.backups, r.Params.String(paramJobID))
	if !ok || !oneOf(r.Params.String(paramVaultID), b.vault) {
		return nil, resourceNotFound()
	}
	if err := b.cancel(r.now, s.durations.Cancel.Duration); err != nil {
		return nil, err
	}
	return nil, s.keep(b)
}

// keep makes the snapshot of a job that has just ended, or drops what it has copied.
func (s *Service) keep(b *backup) error {
	if !b.hasEnded() || b.kept {
		return nil
	}
	b.kept = true
	if !b.succeeded() {
		return os.RemoveAll(s.content(b.id))
	}
	s.addSnapshot(b)
	return nil
}

// removeBackup forgets a job. What it has copied stays where it is a snapshot's.
func (s *Service) removeBackup(b *backup) error {
	delete(s.backups, b.id)
	for _, item := range s.snapshots {
		if item.job == b.id {
			return nil
		}
	}
	return os.RemoveAll(s.content(b.id))
}

type backupView struct {
	jobView
	JobID      string `json:"JobId"`
	JobName    string `json:"JobName"`
	PlanID     string `json:"PlanId,omitempty"`
	BackupType string `json:"BackupType"`
	sourceView
}

type backupsAnswer struct {
	pageAnswer
	BackupJobs struct {
		BackupJob []backupView `json:"BackupJob"`
	} `json:"BackupJobs"`
}

func (s *Service) describeBackupJobs(r *request) (any, error) {
	filters, err := readFilters(r.Params, "regionid", "planid", paramOfJobs, "vaultid", "instanceid", "bucket",
		"filesystemid", "status", "createdtime", "completetime", "instancename")
	if err != nil {
		return nil, err
	}
	all := newestFirst(r, s.backups, func(b *backup) bool {
		f := b.fields(r.now)
		f["planid"], f[paramOfJobs], f["bucket"], f["filesystemid"] = b.plan, b.id, b.source.bucket, b.source.fileSystem
		return oneOf(r.Params.String(paramSourceType), b.kind) && f.matches(filters)
	})
	some, paging, err := paginate(r.Params, all)
	if err != nil {
		return nil, err
	}
	result := backupsAnswer{pageAnswer: paging}
	result.BackupJobs.BackupJob = []backupView{}
	for _, b := range some {
		result.BackupJobs.BackupJob = append(result.BackupJobs.BackupJob, backupView{
			jobView: b.view(r.now), JobID: b.id, JobName: b.name, PlanID: b.plan, BackupType: backupComplete,
			sourceView: b.source.view(),
		})
	}
	return result, nil
}

// paramOfJobs is the key of filters for the id of a backup job.
const paramOfJobs = "jobid"
