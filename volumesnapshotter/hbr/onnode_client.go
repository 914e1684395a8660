// SPDX-License-Identifier: Apache-2.0

package hbr

// The Cloud Backup client, as deploy/hbr-client runs it and the backup center does.
const (
	// clientName is the name of the DaemonSet, of the label clientLabel on its Pods, and
	// of the Secret that has the token.
	clientName  = "hbr-client"
	clientLabel = "app"
	// tokenKey is the key of the Secret and the variable of the client that have the token
	// of AddContainerCluster.
	tokenKey = "HBR_TOKEN"
	// labelAgentEnable is "true" on the nodes that run the client.
	labelAgentEnable = "csdr.alibabacloud.com/agent-enable"
)
