// SPDX-License-Identifier: Apache-2.0

package agent

// The Cloud Backup client, by the names that the backup center has for it.
// deploy/hbr-client runs it.
const (
	// Name is the name of the client's DaemonSet, the value of the label appLabel of that
	// and its Pods, and the name of the Secret that has the token.
	Name     = "hbr-client"
	appLabel = "app"
	// TokenKey is the key of the Secret, and the variable of the client, for the token
	// of AddContainerCluster.
	TokenKey = "HBR_TOKEN"
	// PriorityClass is that of the client and of the Pods that mount a volume for it.
	PriorityClass = "velero-hbr"
	// DefaultKubeletRoot is the kubelet's own default of --root-dir, and the directory of the
	// nodes that the client mounts unless it is told of another one.
	DefaultKubeletRoot = "/var/lib/kubelet"

	// enabledLabel is "true" on the nodes that run the client.
	enabledLabel = "csdr.alibabacloud.com/agent-enable"
)
