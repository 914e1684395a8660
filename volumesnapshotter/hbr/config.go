// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"errors"
	"path"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/endpoint"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/locationconfig"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/retention"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/agent"
)

const (
	// defaultVault is the vault that the backup center makes in each region.
	defaultVault = "ack-backup-data"
	// defaultJobTimeout is Velero's own default of --item-operation-timeout.
	defaultJobTimeout = 4 * time.Hour
	// maxVaultName is the limit of CreateVault's VaultName, in characters.
	maxVaultName = 64
)

// method is a way to read and write the files of a volume.
type method string

// The methods.
const (
	// auto is agentless where that is possible, else onNode.
	auto method = "auto"
	// agentless is a job that Cloud Backup runs by itself, of NAS and OSS alone.
	agentless method = "agentless"
	// onNode is a job of the Cloud Backup client on a node that mounts the volume.
	onNode method = "node"
)

// location is the config of one volume snapshot location, read and checked.
type location struct {
	// hbr is the way to Cloud Backup. That to NAS is the same, but for the endpoint.
	hbr alicloud.HBRConfig

	// vaultName and vaultID name the vault. Only one of them is set.
	vaultName, vaultID string
	// createVault lets a vault of vaultName be made where there is none.
	createVault bool
	// kmsKeyID encrypts a vault that is made.
	kmsKeyID  string
	retention retention.Policy
	method    method
	// clusterID is the id of the cluster at ACK; empty where it is to be found out.
	clusterID string
	// policy says on which nodes jobs may run.
	policy agent.Policy
	// kubeletRoot is the kubelet's directory on the nodes, with symbolic links resolved.
	kubeletRoot string
	// hostPathRoot is the directory of the nodes that the client mounts at the same
	// path, besides kubeletRoot; empty for none. hostPath volumes below it can be read.
	hostPathRoot string
	// podImage is the image of Pods that mount a volume for a job; empty for the plugin's own.
	podImage string
	// ecsSnapshots says that disks are the ECS snapshotter's. Otherwise they are taken here.
	ecsSnapshots bool
	// backupTimeout and restoreTimeout are how long one job may take.
	backupTimeout, restoreTimeout time.Duration
	// speedLimit is the SpeedLimit of backup jobs; empty for none.
	speedLimit string
	// restoreMountTarget is of the NAS file system that restored volumes go to; empty
	// for the one that they came from. restoreBucket is the same for OSS.
	restoreMountTarget, restoreBucket string
}

// options are the keys that a location may have. docs/volumesnapshotter-hbr.md describes them.
func options() map[string]locationconfig.Option[location] {
	return locationconfig.WithCredentials(map[string]locationconfig.Option[location]{
		"region":             locationconfig.Region(func(l *location) *string { return &l.hbr.Region }),
		"network":            locationconfig.OneOf(func(l *location) *endpoint.Network { return &l.hbr.Network }, endpoint.VPC, endpoint.Public),
		"endpoint":           locationconfig.Endpoint(func(l *location) *string { return &l.hbr.Endpoint }),
		"notOnECS":           locationconfig.Flag(func(l *location) *bool { return &l.hbr.NotOnECS }),
		"vaultName":          setVaultName,
		"vaultId":            matching(func(l *location) *string { return &l.vaultID }, `v-[A-Za-z0-9]+`, "the id of a vault such as v-0001lq2tqz1ehpnq8qx6"),
		"createVault":        locationconfig.Flag(func(l *location) *bool { return &l.createVault }),
		"kmsKeyId":           locationconfig.Text(func(l *location) *string { return &l.kmsKeyID }),
		"retentionDays":      setRetention,
		"method":             locationconfig.OneOf(func(l *location) *method { return &l.method }, auto, agentless, onNode),
		"clusterId":          matching(func(l *location) *string { return &l.clusterID }, `[A-Za-z0-9-]{1,64}`, "the id of a cluster such as c82e6987e2961451182edacd74faf0000"),
		"nodeSchedulePolicy": locationconfig.OneOf(func(l *location) *agent.Policy { return &l.policy }, agent.Exclude, agent.Include, agent.Prefer),
		"kubeletRootDir":     directoryOf(func(l *location) *string { return &l.kubeletRoot }),
		"hostPathRoot":       hostDirectoryOf(func(l *location) *string { return &l.hostPathRoot }),
		"podImage":           locationconfig.Text(func(l *location) *string { return &l.podImage }),
		"enableECSSnapshot":  locationconfig.Flag(func(l *location) *bool { return &l.ecsSnapshots }),
		"backupTimeout":      locationconfig.Duration(func(l *location) *time.Duration { return &l.backupTimeout }, time.Second, "4h"),
		"restoreTimeout":     locationconfig.Duration(func(l *location) *time.Duration { return &l.restoreTimeout }, time.Second, "4h"),
		"speedLimit":         setSpeedLimit,
		"restoreMountTarget": setRestoreMountTarget,
		"restoreBucket":      matching(func(l *location) *string { return &l.restoreBucket }, `[a-z0-9][a-z0-9-]{1,61}[a-z0-9]`, "the name of a bucket"),
	}, func(l *location) *credentials.Config { return &l.hbr.Credentials })
}

// parseLocation reads the config that Velero passes to Init: the location's
// config with credentialsFile added. Its error names every key that is unknown or
// malformed, with its value and what is allowed.
func parseLocation(config map[string]string) (location, error) {
	l := location{
		createVault:    true,
		retention:      retention.OfBackup(),
		method:         auto,
		policy:         agent.Exclude,
		kubeletRoot:    agent.DefaultKubeletRoot,
		ecsSnapshots:   true,
		backupTimeout:  defaultJobTimeout,
		restoreTimeout: defaultJobTimeout,
	}
	if err := locationconfig.Parse("volume snapshot location", config, &l, options(), (*location).contradictions); err != nil {
		return location{}, err
	}
	if l.vaultName == "" && l.vaultID == "" {
		l.vaultName = defaultVault
	}
	return l, nil
}

// contradictions are the errors that no key has by itself.
func (l *location) contradictions() []error {
	problems := locationconfig.CredentialsContradictions(l.hbr.Credentials)
	if l.vaultID != "" && l.vaultName != "" {
		problems = append(problems, errors.New(`keys "vaultId" and "vaultName" exclude each other`))
	}
	if l.kmsKeyID != "" && (l.vaultID != "" || !l.createVault) {
		problems = append(problems, errors.New(`key "kmsKeyId" is of a vault that is made: it excludes "vaultId" and createVault=false`))
	}
	return problems
}

func setVaultName(l *location, value string) error {
	if n := utf8.RuneCountInString(value); n < 1 || n > maxVaultName {
		return errors.New("allowed is a name of 1 to 64 characters")
	}
	l.vaultName = value
	return nil
}

// retentionLimits are our own limit, a hundred years, and that Cloud Backup has no
// snapshots without an end. It documents the least, 1 day, alone.
func retentionLimits() retention.Limits { return retention.Limits{Service: "Cloud Backup", Max: 36500} }

func setRetention(l *location, value string) error {
	policy, err := retention.Parse(value, retentionLimits())
	l.retention = policy
	return err
}

func setSpeedLimit(l *location, value string) error {
	limit, err := parseSpeedLimit(value)
	l.speedLimit = limit
	return err
}

func setRestoreMountTarget(l *location, value string) error {
	if volume.NASFileSystemID(value) == "" {
		return errors.New("allowed is a mount target of NAS such as 31a8e4ab12-abc34.cn-hangzhou.nas.aliyuncs.com")
	}
	l.restoreMountTarget = value
	return nil
}

// matching takes what an expression matches as a whole.
func matching(field func(*location) *string, expression, allowed string) locationconfig.Option[location] {
	form := regexp.MustCompile(`^(?:` + expression + `)$`)
	return func(l *location, value string) error {
		if !form.MatchString(value) {
			return errors.New("allowed is " + allowed)
		}
		*field(l) = value
		return nil
	}
}

// directoryOf takes an absolute path of a node, but for its root.
func directoryOf(field func(*location) *string) locationconfig.Option[location] {
	return func(l *location, value string) error {
		if path.Clean(value) == "/" {
			return errors.New("allowed is an absolute path such as " + agent.DefaultKubeletRoot + ", but not /")
		}
		return hostDirectoryOf(field)(l, value)
	}
}

// hostDirectoryOf takes an absolute path of a node.
func hostDirectoryOf(field func(*location) *string) locationconfig.Option[location] {
	return func(l *location, value string) error {
		if !path.IsAbs(value) || strings.ContainsRune(value, 0) {
			return errors.New("allowed is an absolute path of the nodes such as " + agent.DefaultKubeletRoot)
		}
		*field(l) = path.Clean(value)
		return nil
	}
}
