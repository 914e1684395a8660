// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"bytes"
	"encoding/json"
	"os"
	"path"
	"strings"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/tree"
)

const paramRestoreID = "RestoreId"

// restore is a restore job.
type restore struct {
	job
	snapshot *snapshot
	target   target
}

// target is where a restore job writes.
type target struct {
	// fileSystem, created and path are for NAS.
	fileSystem string
	created    int64
	path       string
	// bucket and prefix are for OSS.
	bucket, prefix string
	// cluster, node, hostPrefix and pvPath are for CONTAINER.
	cluster, node, hostPrefix, pvPath string
}

// subject names the target in fault rules.
func (t target) subject() string {
	switch {
	case t.bucket != "":
		return t.bucket + "/" + t.prefix
	case t.fileSystem != "":
		return t.fileSystem + ":" + t.path
	default:
		return t.node + ":" + path.Join(t.hostPrefix, t.pvPath)
	}
}

func (s *Service) restoreOperations() []operation {
	return []operation{
		{
			action: "CreateRestoreJob", target: paramSnapshotID, handle: s.createRestoreJob,
			lacks: []string{
				"CrossAccountRoleName", "CrossAccountType", "CrossAccountUserId", "Exclude", "FailbackDetail", "Include",
				"OtsDetail", "TargetInstanceId", "TargetInstanceName", "TargetTableName", "TargetTime", "UdmDetail", "UdmRegionId",
			},
		},
		{action: "CancelRestoreJob", target: paramRestoreID, handle: s.cancelRestoreJob},
		{action: "DescribeRestoreJobs2", handle: s.describeRestoreJobs},
	}
}

func (s *Service) createRestoreJob(r *request) (any, error) {
	v, err := s.useVault(r)
	if err != nil {
		return nil, err
	}
	item, err := s.readRestored(r, v)
	if err != nil {
		return nil, err
	}
	to, err := s.readTarget(r, item.kind)
	if err != nil {
		return nil, err
	}
	job := &restore{
		job:      s.newJob(r, prefixRestore, FaultRestore, to.subject(), s.durations.Restore.Duration),
		snapshot: item, target: to,
	}
	job.vault, job.kind = v.id, item.kind
	s.prepareRestore(r, job)
	s.restores[job.id] = job
	job.run(r.now)
	return map[string]string{paramRestoreID: job.id}, nil
}

// readRestored finds the snapshot that is to be restored.
func (s *Service) readRestored(r *request, v *vault) (*snapshot, error) {
	kind := r.Params.String(paramSourceType)
	if r.Params.String("RestoreType") != kind {
		// "The type of the data source from which you restore data must be the same as the type of the restore
		// destination."
		return nil, illegal("RestoreType is not SourceType")
	}
	item, ok := find(r, s.snapshots, r.Params.String(paramSnapshotID))
	switch {
	case !ok || item.vault != v.id || item.kind != kind:
		return nil, resourceNotFound()
	case r.Params.String("SnapshotHash") != item.hash:
		return nil, illegal("SnapshotHash is not that of the snapshot")
	}
	return item, readOptions(r.Params.String("Options"))
}

// readOptions refuses options that the simulator does not have.
func readOptions(text string) error {
	if text == "" {
		return nil
	}
	var options struct {
		Includes       []string `json:"includes"`
		Excludes       []string `json:"excludes"`
		ConflictPolicy string   `json:"conflictPolicy"`
	}
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields()
	switch err := decoder.Decode(&options); {
	case err != nil:
		return illegal("Options")
	case len(options.Includes)+len(options.Excludes) > 0 || !oneOf(options.ConflictPolicy, "OVERWRITE_EXISTING"):
		return notSimulated("restores of a part, or with any conflictPolicy but OVERWRITE_EXISTING")
	}
	return nil
}

// readTarget reads where a restore of a kind writes.
func (s *Service) readTarget(r *request, kind string) (target, error) {
	switch kind {
	case kindNAS:
		to := target{
			fileSystem: r.Params.String("TargetFileSystemId"), created: r.Params.Int("TargetCreateTime", 0),
			path: r.Params.String("TargetPath"),
		}
		if !strings.HasPrefix(to.path, "/") {
			return to, illegal("TargetPath is not absolute")
		}
		_, err := s.fileSystem(r, to.fileSystem, to.created)
		return to, err
	case kindOSS:
		to := target{bucket: r.Params.String("TargetBucket"), prefix: r.Params.String("TargetPrefix")}
		if s.cloud.Buckets.Objects(to.bucket) == nil {
			return to, resourceNotFound()
		}
		return to, nil
	default:
		return s.readContainer(r)
	}
}

// readContainer reads the parameters TargetContainerClusterId and TargetContainer.
func (s *Service) readContainer(r *request) (target, error) {
	c, ok := find(r, s.clusters, r.Params.String("TargetContainerClusterId"))
	if !ok {
		return target{}, resourceNotFound()
	}
	var given struct {
		Host       string `json:"host"`
		HostPrefix string `json:"hostPrefix"`
		PVPath     string `json:"pvPath"`
	}
	decoder := json.NewDecoder(strings.NewReader(r.Params.String("TargetContainer")))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&given); err != nil {
		return target{}, illegal("TargetContainer is not a place on a node")
	}
	if given.Host == "" || given.HostPrefix == "" || !strings.HasPrefix(given.PVPath, "/") {
		return target{}, illegal("TargetContainer lacks host, hostPrefix or pvPath")
	}
	return target{cluster: c.id, node: given.Host, hostPrefix: given.HostPrefix, pvPath: given.PVPath}, nil
}

// prepareRestore finds out what a job has to do. Assumed: what was backed up comes to be directly in the path, or with
// the prefix, that is the target, without the path or the prefix that it had.
func (s *Service) prepareRestore(r *request, j *restore) {
	if j.kind == kindOSS {
		s.prepareObjectRestore(j)
		return
	}
	to, refusal := s.makeTarget(r, j.target)
	if refusal != "" {
		j.refuse(refusal)
		return
	}
	var err error
	if j.work, err = treeWork(s.content(j.snapshot.job), to.dir, to); err != nil {
		j.refuse("internal error")
		return
	}
	j.work.gone = messageTargetNotExist
}

// makeTarget makes the directory into which a job restores. The refusal is why it can not.
func (s *Service) makeTarget(r *request, t target) (to place, refusal string) {
	if t.fileSystem != "" {
		root, err := s.fileSystem(r, t.fileSystem, t.created)
		if err != nil {
			return place{}, messageTargetNotExist
		}
		return makeIn(tree.NewMachine(root), t.path)
	}
	agent, ok := s.clusters[t.cluster].agents[t.node]
	if !ok {
		return place{}, messageClientNotExist
	}
	// In a restore hostPrefix is absolute, and what it names is a volume that is mounted there.
	if _, err := agent.Files.Resolve(t.hostPrefix); err != nil || !path.IsAbs(t.hostPrefix) {
		return place{}, messageTargetNotExist
	}
	return makeIn(agent.Files, path.Join(t.hostPrefix, t.pvPath))
}

func makeIn(files *tree.Machine, name string) (to place, refusal string) {
	dir, err := files.Make(name)
	if err != nil {
		return place{}, messageTargetNotExist
	}
	return place{files: files, name: name, dir: dir}, ""
}

func (s *Service) prepareObjectRestore(j *restore) {
	from, item := s.content(j.snapshot.job), j.snapshot
	var numbers []int
	for n := range item.keys {
		info, err := os.Stat(objectFile(from, n))
		if err != nil {
			continue // it could not be backed up
		}
		numbers = append(numbers, n)
		j.work.sizes = append(j.work.sizes, info.Size())
	}
	j.work.copy = func(i int) error {
		data, err := os.ReadFile(objectFile(from, numbers[i]))
		if err != nil {
			return err
		}
		key := j.target.prefix + strings.TrimPrefix(item.keys[numbers[i]], item.source.prefix)
		return s.cloud.Buckets.Put(j.target.bucket, key, data)
	}
}

func (s *Service) cancelRestoreJob(r *request) (any, error) {
	j, ok := find(r, s.restores, r.Params.String(paramRestoreID))
	if !ok || !oneOf(r.Params.String(paramVaultID), j.vault) {
		return nil, resourceNotFound()
	}
	return nil, j.cancel(r.now, s.durations.Cancel.Duration)
}

type restoreView struct {
	jobView
	RestoreID          string `json:"RestoreId"`
	RestoreType        string `json:"RestoreType"`
	SnapshotID         string `json:"SnapshotId"`
	SnapshotHash       string `json:"SnapshotHash"`
	TargetFileSystemID string `json:"TargetFileSystemId,omitempty"`
	TargetCreateTime   int64  `json:"TargetCreateTime,omitempty"`
	TargetPath         string `json:"TargetPath,omitempty"`
	TargetBucket       string `json:"TargetBucket,omitempty"`
	TargetPrefix       string `json:"TargetPrefix,omitempty"`
}

type restoresAnswer struct {
	pageAnswer
	RestoreJobs struct {
		RestoreJob []restoreView `json:"RestoreJob"`
	} `json:"RestoreJobs"`
}

// describeRestoreJobs lists restore jobs. The reference mixes the keys of filters of its operations up, so all that it
// names for a restore are taken.
func (s *Service) describeRestoreJobs(r *request) (any, error) {
	filters, err := readFilters(r.Params, "regionid", "restoreid", "sourcetype", "vaultid", "status", "completetime",
		"createdtime", "targetinstanceid", "targetbucket", "targetfilesystemid")
	if err != nil {
		return nil, err
	}
	all := newestFirst(r, s.restores, func(j *restore) bool {
		f := j.fields(r.now)
		f["restoreid"], f["targetbucket"], f["targetfilesystemid"] = j.id, j.target.bucket, j.target.fileSystem
		return oneOf(r.Params.String("RestoreType"), j.kind) && f.matches(filters)
	})
	some, paging, err := paginate(r.Params, all)
	if err != nil {
		return nil, err
	}
	result := restoresAnswer{pageAnswer: paging}
	result.RestoreJobs.RestoreJob = []restoreView{}
	for _, j := range some {
		result.RestoreJobs.RestoreJob = append(result.RestoreJobs.RestoreJob, restoreView{
			jobView: j.view(r.now), RestoreID: j.id, RestoreType: j.kind, SnapshotID: j.snapshot.id,
			SnapshotHash: j.snapshot.hash, TargetFileSystemID: j.target.fileSystem, TargetCreateTime: j.target.created,
			TargetPath: j.target.path, TargetBucket: j.target.bucket, TargetPrefix: j.target.prefix,
		})
	}
	return result, nil
}
