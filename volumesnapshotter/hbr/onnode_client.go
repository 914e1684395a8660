// SPDX-License-Identifier: Apache-2.0

package hbr

// The Cloud Backup client, by the names that the backup center has for it.
// deploy/hbr-client runs it.
const (
	// clientName is the name of the DaemonSet, the label clientLabel of its Pods, and
	// the name of the Secret that has the token.
	clientName  = "hbr-client"
	clientLabel = "app"
	// tokenKey is the key of the Secret, and the variable of the client, for the token
	// of AddContainerCluster.
	tokenKey = "HBR_TOKEN"
	// labelAgentEnable is "true" on the nodes that run the client.
	labelAgentEnable = "csdr.alibabacloud.com/agent-enable"
	// priorityClass is that of the client and of the pods that mount a volume for it.
	priorityClass = "velero-hbr"
)
