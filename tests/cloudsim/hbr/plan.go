// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

const paramPlanID = "PlanId"

// plan is a backup plan. The simulator runs it only when it is executed by a call, whatever its schedule.
type plan struct {
	resource
	vault, name string
	source      source
	retention   int64
	schedule    string
}

// source is what an agentless job backs up.
type source struct {
	kind string
	// fileSystem, created and path are for NAS. created is a Unix time in seconds.
	fileSystem string
	created    int64
	path       string
	// bucket and prefix are for OSS.
	bucket, prefix string
}

// String names the source in fault rules.
func (s source) String() string {
	if s.kind == kindOSS {
		return s.bucket + "/" + s.prefix
	}
	return s.fileSystem + ":" + s.path
}

func (s *Service) planOperations() []operation {
	const crossName, crossType, crossUser = "CrossAccountRoleName", "CrossAccountType", "CrossAccountUserId"
	return []operation{
		{
			action: "CreateBackupPlan", target: "PlanName", handle: s.createBackupPlan,
			lacks: []string{
				crossName, crossType, crossUser, "ChangeListPath", paramClusterID, "DataSourceId", "DestDataSourceDetail",
				"DestDataSourceId", "DestSourceType", "Detail", "Exclude", "Include", "InstanceId", "InstanceName",
				"KeepLatestSnapshots", "OtsDetail", "Rule", "UdmRegionId",
			},
		},
		{action: "ExecuteBackupPlan", target: paramPlanID, handle: s.executeBackupPlan, lacks: []string{"RuleId"}},
		{action: "DescribeBackupPlans", handle: s.describeBackupPlans},
		{action: "DeleteBackupPlan", target: paramPlanID, handle: s.deleteBackupPlan},
	}
}

func (s *Service) createBackupPlan(r *request) (any, error) {
	v, err := s.useVault(r)
	if err != nil {
		return nil, err
	}
	p := &plan{vault: v.id, name: r.Params.String("PlanName"), schedule: r.Params.String("Schedule")}
	if p.source, err = s.readSource(r); err != nil {
		return nil, err
	}
	if p.retention, err = readRetention(r.Params); err != nil {
		return nil, err
	}
	if err := s.checkPlan(p); err != nil {
		return nil, err
	}
	p.resource = s.newResource(r, prefixPlan)
	s.plans[p.id] = p
	return map[string]string{paramPlanID: p.id}, nil
}

// checkPlan says what is wrong with the name or the schedule of a new plan. Assumed: the codes.
func (s *Service) checkPlan(p *plan) error {
	const maxName = 64
	if p.name == "" || utf8.RuneCountInString(p.name) > maxName {
		return illegal("PlanName has 1 to 64 characters")
	}
	// I|1631685600|P1D, with an interval of ISO 8601.
	schedule := regexp.MustCompile(`^I\|\d+\|P(\d+[YMWD])*(T(\d+[HMS])+)?$`)
	if p.schedule != "" && !schedule.MatchString(p.schedule) {
		return illegal("Schedule is not I|{startTime}|{interval}")
	}
	for _, other := range s.plans {
		if other.vault == p.vault && other.source.kind == p.source.kind && other.name == p.name {
			return illegal("a plan of the name exists already")
		}
	}
	return nil
}

// readRetention reads how many days a snapshot stays. 0 is for ever. Assumed: that is also what -1 and none mean.
func readRetention(p rpc.Params) (int64, error) {
	const name = "Retention"
	days := p.Int(name, -1)
	switch {
	case days == -1:
		return 0, nil
	case days < 1:
		return 0, illegal(name + " is below 1")
	default:
		return days, nil
	}
}

// readSource reads what a plan backs up.
func (s *Service) readSource(r *request) (source, error) {
	from := source{kind: r.Params.String(paramSourceType)}
	switch from.kind {
	case kindNAS:
		paths := r.Params.List("Path")
		if len(paths) > 1 {
			return from, notSimulated("plans with more than one path")
		}
		from.path = "/" // Assumed: a plan without a path is for all of the file system.
		if len(paths) == 1 {
			from.path = paths[0]
		}
		if !strings.HasPrefix(from.path, "/") {
			return from, illegal("Path is not absolute")
		}
		from.fileSystem, from.created = r.Params.String("FileSystemId"), r.Params.Int("CreateTime", 0)
		_, err := s.fileSystem(r, from.fileSystem, from.created)
		return from, err
	case kindOSS:
		from.bucket, from.prefix = r.Params.String("Bucket"), r.Params.String("Prefix")
		if s.cloud.Buckets.Objects(from.bucket) == nil {
			return from, resourceNotFound()
		}
		return from, nil
	default:
		return from, notSimulated("plans for the source type " + from.kind)
	}
}

// fileSystem returns the directory of a file system. Its time of creation tells it from an earlier one with its id.
// Assumed: the cloud compares it.
func (s *Service) fileSystem(r *request, id string, created int64) (dir string, err error) {
	f, err := s.cloud.FileSystems.FileSystem(id)
	switch {
	case err != nil || f.Account != r.Caller.AccountID || f.Region != r.Region:
		return "", resourceNotFound()
	case f.Created.Unix() != created:
		return "", illegal("the file system was created at another time")
	default:
		return f.Dir, nil
	}
}

// findPlan finds the plan that a call names.
func (s *Service) findPlan(r *request) (*plan, error) {
	v, err := s.findVault(r)
	if err != nil {
		return nil, err
	}
	p, ok := find(r, s.plans, r.Params.String(paramPlanID))
	if !ok || p.vault != v.id || !oneOf(r.Params.String(paramSourceType), p.source.kind) {
		return nil, resourceNotFound()
	}
	return p, nil
}

func (s *Service) executeBackupPlan(r *request) (any, error) {
	p, err := s.findPlan(r)
	if err != nil {
		return nil, err
	}
	if _, err := s.useVault(r); err != nil {
		return nil, err
	}
	b := s.newBackup(r, p.source.String())
	// Assumed: the job has the plan's name.
	b.vault, b.kind, b.name, b.plan, b.retention, b.source = p.vault, p.source.kind, p.name, p.id, p.retention, p.source
	if err := s.beginAgentless(r, b); err != nil {
		return nil, err
	}
	return b.started(), nil
}

type pathsView struct {
	Path []string `json:"Path"`
}

// sourceView describes a source. What is not for its kind is left out.
type sourceView struct {
	FileSystemID string     `json:"FileSystemId,omitempty"`
	CreateTime   int64      `json:"CreateTime,omitempty"`
	Paths        *pathsView `json:"Paths,omitempty"`
	Bucket       string     `json:"Bucket,omitempty"`
	Prefix       string     `json:"Prefix,omitempty"`
}

func (s source) view() sourceView {
	view := sourceView{FileSystemID: s.fileSystem, CreateTime: s.created, Bucket: s.bucket, Prefix: s.prefix}
	if s.path != "" {
		view.Paths = &pathsView{Path: []string{s.path}}
	}
	return view
}

type planView struct {
	PlanID      string `json:"PlanId"`
	PlanName    string `json:"PlanName"`
	VaultID     string `json:"VaultId"`
	SourceType  string `json:"SourceType"`
	BackupType  string `json:"BackupType"`
	Retention   int64  `json:"Retention,omitempty"`
	Schedule    string `json:"Schedule"`
	Disabled    bool   `json:"Disabled"`
	CreatedTime int64  `json:"CreatedTime"`
	sourceView
}

type plansAnswer struct {
	pageAnswer
	BackupPlans struct {
		BackupPlan []planView `json:"BackupPlan"`
	} `json:"BackupPlans"`
}

func (s *Service) describeBackupPlans(r *request) (any, error) {
	filters, err := readFilters(r.Params, "regionid", "planid", "planname", "sourcetype", "vaultid", "bucket", "filesystemid")
	if err != nil {
		return nil, err
	}
	all := newestFirst(r, s.plans, func(p *plan) bool {
		return oneOf(r.Params.String(paramSourceType), p.source.kind) && fields{
			"regionid": p.region, "planid": p.id, "planname": p.name, "sourcetype": p.source.kind, "vaultid": p.vault,
			"bucket": p.source.bucket, "filesystemid": p.source.fileSystem,
		}.matches(filters)
	})
	some, paging, err := paginate(r.Params, all)
	if err != nil {
		return nil, err
	}
	result := plansAnswer{pageAnswer: paging}
	result.BackupPlans.BackupPlan = []planView{}
	for _, p := range some {
		result.BackupPlans.BackupPlan = append(result.BackupPlans.BackupPlan, planView{
			PlanID: p.id, PlanName: p.name, VaultID: p.vault, SourceType: p.source.kind, BackupType: backupComplete,
			Retention: p.retention, Schedule: p.schedule, Disabled: false, CreatedTime: unix(p.created),
			sourceView: p.source.view(),
		})
	}
	return result, nil
}

// deleteBackupPlan deletes a plan and, "If you delete a backup plan, the backup jobs are also deleted", its jobs. One
// that is running leaves no snapshot then. Snapshots stay. Assumed: a plan that there is not is an error.
func (s *Service) deleteBackupPlan(r *request) (any, error) {
	p, err := s.findPlan(r)
	if err != nil {
		return nil, err
	}
	jobs := newestFirst(r, s.backups, func(b *backup) bool { return b.plan == p.id })
	for _, b := range jobs {
		if r.Params.Bool("RequireNoRunningJobs") && !b.hasEnded() {
			return nil, illegal("the plan has running jobs")
		}
	}
	delete(s.plans, p.id)
	if s.config.KeepJobsOfDeletedPlans {
		return nil, nil
	}
	for _, b := range jobs {
		if err := s.removeBackup(b); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
