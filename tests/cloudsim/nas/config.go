// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

// Types of file systems.
const (
	// TypeStandard is general-purpose NAS.
	TypeStandard = "standard"
	TypeExtreme  = "extreme"
	TypeCPFS     = "cpfs"
)

// TimeForm is how DescribeFileSystems writes the time of creation. Both forms are met.
type TimeForm string

const (
	// FormUTC is that of the API's reference: 2019-09-30T10:08:08Z.
	FormUTC TimeForm = "UTC"
	// FormCST is that of its older examples, the time in China: 2017-05-27T15:43:06CST.
	FormCST TimeForm = "CST"
)

// Config is what a Service starts with.
type Config struct {
	FileSystems []FileSystemConfig `json:"fileSystems,omitempty"`
	// TimeForm is the form of CreateTime. Empty means FormUTC.
	TimeForm TimeForm `json:"timeForm,omitempty"`
	// DenialCode is the code of a denial by RAM. Empty means Forbidden.RAM.
	DenialCode rpc.DenialCode `json:"denialCode,omitempty"`
}

// FileSystemConfig is a file system.
type FileSystemConfig struct {
	// ID is unique. Empty means a random one.
	ID      string `json:"id,omitempty"`
	Account string `json:"account"`
	Region  string `json:"region"`
	// Type is standard, extreme or cpfs. Empty means standard.
	Type string `json:"type,omitempty"`
	// Protocol is NFS, SMB or cpfs. Empty means NFS, or cpfs where the type is.
	Protocol string `json:"protocol,omitempty"`
	// MountTargets are the names of servers. Empty means one, <id>-<suffix>.<region>.nas.aliyuncs.com.
	MountTargets []string `json:"mountTargets,omitempty"`
	// Age is how long ago the file system was created.
	Age metav1.Duration `json:"age,omitzero"`
	// Dir is the directory that is the content. Empty means a new one that Close removes.
	Dir string `json:"dir,omitempty"`
	// Files is the content at first: the bytes by slash-separated path.
	Files map[string]string `json:"files,omitempty"`
}

// withDefaults returns the configuration with what was left empty filled in, or says what is wrong with it.
func (c FileSystemConfig) withDefaults() (FileSystemConfig, error) {
	if c.Type == "" {
		c.Type = TypeStandard
	}
	if !slices.Contains([]string{TypeStandard, TypeExtreme, TypeCPFS}, c.Type) {
		return c, fmt.Errorf("file system %s: type %q is not known", c.ID, c.Type)
	}
	if c.ID == "" {
		c.ID = newID(c.Type)
	}
	if c.Account == "" || c.Region == "" {
		return c, fmt.Errorf("file system %s: account and region are required", c.ID)
	}
	if c.Protocol == "" {
		c.Protocol = "NFS"
		if c.Type == TypeCPFS {
			c.Protocol = TypeCPFS
		}
	}
	if len(c.MountTargets) == 0 {
		c.MountTargets = []string{c.ID + "-abc12." + c.Region + ".nas" + rpc.Domain}
	}
	return c, nil
}

// write returns a time in the form.
func (f TimeForm) write(t time.Time) string {
	if f == FormCST {
		// China has no summer time.
		return t.In(time.FixedZone("CST", 8*60*60)).Format("2006-01-02T15:04:05") + "CST"
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}
