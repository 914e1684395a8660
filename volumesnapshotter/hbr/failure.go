// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/credentials"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diagnosis"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/agent"
)

// task is what was being done, in the words of the backup center's FAQ where it has them.
type task string

const (
	checkingVault  task = "HBRError: check HBR vault error"
	backingUp      task = "HBRError: HBR backup request failed"
	restoring      task = "HBRError: HBR restore request failed"
	deleting       task = "HBRError: delete Cloud Backup snapshot failed"
	checkingClient task = "HBRError: addon status is abnormal"
)

// jobError is a job of Cloud Backup that did not succeed.
type jobError struct {
	// status is what the job ended as, such as FAILED.
	status string
	// message is the job's ErrorMessage.
	message string
}

// Error is the backup center's own sentence.
func (e *jobError) Error() string {
	return fmt.Sprintf("hbr task finished with unexpected status: %s, errMsg %s", e.status, e.message)
}

// partialError is a backup job that has left items out. Its snapshot can be restored.
type partialError struct {
	// done and total are numbers of items: files and directories.
	done, total int64
}

// Error begins with the backup center's own sentence.
func (e *partialError) Error() string {
	return fmt.Sprintf("PROCESS hbr partially completed: %d of %d items", e.done, e.total)
}

// fail wraps the error of a task on an object. A nil error stays nil, and one that says
// already what was being done stays as it is.
func fail(t task, object string, err error) error {
	var told *diagnosis.Error
	if err == nil || errors.As(err, &told) {
		return err
	}
	return &diagnosis.Error{Task: string(t), Object: object, Said: said(err), Cause: err, Remedy: remedy(t, err)}
}

// said writes what the cloud answered as the backup center's messages have it; "" for
// an error that is not just an answer.
func said(err error) string {
	var call *alicloud.CallError
	answer, ok := failure.Of(err)
	if !ok || !errors.As(err, &call) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return ""
	}
	code := ""
	if answer.StatusCode >= http.StatusBadRequest { // Cloud Backup also refuses with the status of a success.
		code = fmt.Sprintf("code: %d, ", answer.StatusCode)
	}
	return fmt.Sprintf("calling %s in %s: %s%s, ErrorCode=%s, RequestId=%s",
		call.Action, call.Region, code, answer.Message, answer.Code, answer.RequestID)
}

// remedy returns the cause of an error and what to do about it; "" where the error
// itself says it.
func remedy(t task, err error) string {
	var missing *credentials.Error
	if errors.As(err, &missing) {
		return ""
	}
	answer, answered := failure.Of(err)
	if !answered {
		answer = failure.Answer{Message: err.Error()}
	}
	if known := diagnosis.Remedy(rules(), answer); known != "" {
		return known
	}
	switch class := failure.Classify(err); {
	case answered && class == failure.Denied:
		return remedyForDenial(err, answer)
	case class == failure.Unreachable || class == failure.Canceled:
		return "check that the cluster can reach the endpoint: network: vpc needs a node in a VPC of the location's region, network: public needs a way to the Internet"
	default:
		return diagnosis.Remedy(rules(), failure.Answer{Message: string(t)})
	}
}

func remedyForDenial(err error, answer failure.Answer) string {
	action := answer.DeniedAction
	var call *alicloud.CallError
	if action == "" && errors.As(err, &call) {
		action = call.Action
	}
	return fmt.Sprintf("the RAM user or role of the location lacks a permission: grant it %s, with the policy in deploy/ram/hbr.json, or the part of it for one method alone, deploy/ram/hbr-agentless.json or deploy/ram/hbr-node.json", action)
}

// jobsInConsole is where the cloud tells more of a job.
const jobsInConsole = "the Cloud Backup console tells more: Backup > Container Backup > Backup Jobs, the job <backup>-hbr"

// rules are tried in this order: what says more is before what says less. Sources:
// error codes of the HBR API; backup center FAQ.
func rules() []diagnosis.Rule {
	all := serviceRules()
	all = append(all, volumeRules()...)
	all = append(all, clientRules()...)
	return append(all, generalRules()...)
}

// serviceRules are about the account, Cloud Backup in it and the vault.
func serviceRules() []diagnosis.Rule {
	return []diagnosis.Rule{
		{Code: "ServiceNotActivated", Remedy: "Cloud Backup is not activated: activate it in the Cloud Backup console"},
		{Message: "MagpieBridgeSlrNotExist", Remedy: "in some regions (China (Ulanqab), China (Heyuan), China (Guangzhou)) Cloud Backup needs access to API Gateway, by the role AliyunServiceRoleForHbrMagpieBridge: open the Cloud Backup console in this region as an administrator of the account and confirm the authorisation; once per account is enough"},
		{Code: "AssumeRoleFail", Remedy: noServiceRole},
		{Code: "RoleNotExist", Remedy: noServiceRole},
		{Code: "RiskControlProhibited", Remedy: "Alibaba Cloud's risk control has blocked the account: ask its support"},
		{Message: "InDebt", Remedy: "the account is overdue: settle it in the billing console"},
		{Message: "Illegal request", Remedy: vaultDeleted},
		{Code: "VaultNotExist", Remedy: vaultDeleted},
		{Message: errNoVault.Error(), Remedy: vaultDeleted},
		{Message: "InitVaultError", Remedy: "Cloud Backup could not initialise the vault: look at it in the Cloud Backup console; delete it there if it stays in error, and the next backup makes another one"},
		{Code: "InternalError", Remedy: internalError},
		{Message: "HBR backup/restore internal error", Remedy: internalError},
		{Class: failure.NotFound, Remedy: "what was asked for is not there: it was deleted, its retention is over (config key retentionDays), or the location's account or region is not the one of the backup"},
		{Message: errOtherRegion.Error(), Remedy: "restore it in the region of the backup; data of OSS can be reached from any region by a statically provisioned volume"},
	}
}

// What is said at several places.
const (
	noServiceRole = "Cloud Backup may not assume its service role, or there is none: open the Cloud Backup console as an administrator of the account and confirm the authorisation"
	vaultDeleted  = "the vault was deleted: what was backed up into it cannot be restored any more; the next backup makes the vault again (config keys vaultName and createVault), or name another one with vaultId"
	internalError = "HBR backup/restore internal error: check in the Cloud Backup console that container backup is available in this region; if it is, try again later, and give the request id to Alibaba Cloud's support if it persists"
)

// volumeRules are about what was to be backed up or restored.
func volumeRules() []diagnosis.Rule {
	return []diagnosis.Rule{
		{Message: reasonBlock, Remedy: "leave disks to ECS snapshots (config key enableECSSnapshot), which take block devices, or leave the volume out of the backup"},
		{Message: "SOURCE_NOT_EXIST", Remedy: "the files are not where the client looks: find the kubelet's root on that node (--root-dir of its command line or of its configuration), resolve symbolic links in it (ls -al), set it as the config key kubeletRootDir and have deploy/hbr-client mount it; of hostPath volumes the client sees those below hostPathRoot alone"},
		{Message: "bound time out", Remedy: "the claim that was made for the job stays unbound: its events tell why (kubectl describe pvc); common causes are a StorageClass that this cluster lacks, a disk category or file system that its zone lacks, a CNFS that is not ready, volumeBindingMode Immediate in a cluster of several zones, and nodes without room"},
		{Message: "create cluster resources timeout", Remedy: "what was made in the cluster for the job did not become ready: the events of the pod and the claim tell why"},
		{Message: "PROCESS hbr partially completed", Remedy: "some files were not backed up: files that were deleted or changed meanwhile, or a storage plug-in that Cloud Backup does not support; what was backed up can be restored; " + jobsInConsole},
	}
}

// clientRules are about the Cloud Backup client on the nodes.
func clientRules() []diagnosis.Rule {
	return []diagnosis.Rule{
		{Message: "ClientNotExist", Remedy: "the Cloud Backup client does not work on that node: look at its pod (kubectl get pod -A -l app=hbr-client -o wide) for a lack of addresses, memory or CPU, and at its log (kubectl logs -p) for errors of the SDK; a client that has the token of another cluster runs and is never active"},
		{Message: "couldn't find key " + agent.TokenKey, Remedy: "the Secret of the Cloud Backup client lacks the token of this cluster: delete the Secret, and the next backup registers the cluster and writes it again; never copy it from another cluster"},
		{Message: "addon status is abnormal", Remedy: "the Cloud Backup client is not installed, or its pods are not ready: apply deploy/hbr-client and look at its pods (kubectl describe pod -A -l app=hbr-client)"},
	}
}

// generalRules are for what has no rule of its own.
func generalRules() []diagnosis.Rule {
	return []diagnosis.Rule{
		{Message: "hbr task finished with unexpected status", Remedy: jobsInConsole},
		{Class: failure.Unauthenticated, Remedy: "the AccessKey was deleted, disabled or mistyped: create a new one for the RAM user and put it into the location's Secret, which is read again without a restart"},
		{Class: failure.Expired, Remedy: "the temporary credentials have expired and no new ones could be got: check the source of the credentials, and the clock of the node"},
		{Class: failure.Skewed, Remedy: "the clock of this node differs from the cloud's by more than 15 minutes: synchronise it (NTP)"},
		{Class: failure.Throttled, Remedy: "Cloud Backup throttles the account: try again later, or stop what else calls it so often"},
		{Class: failure.Transient, Remedy: "Cloud Backup failed every attempt: try again later; if it persists give the request id to Alibaba Cloud's support"},
		{Message: string(checkingVault), Remedy: "check that Cloud Backup is activated, that the location's RAM user or role may use it (deploy/ram/hbr.json), and that the vault is there"},
		{Message: "HBR backup request failed", Remedy: "the storage plug-in may not be supported (Cloud Backup takes common Kubernetes file systems, such as those of CSI, NFS and local volumes), or the Cloud Backup client may not work; " + jobsInConsole},
	}
}
