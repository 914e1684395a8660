// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"encoding/json"
	"fmt"

	sdk "github.com/alibabacloud-go/hbr-20170908/v2/client"
	"github.com/alibabacloud-go/tea/tea"
	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/mount"
)

// This file is what the reference of Cloud Backup leaves open, so that it can be corrected
// in one place.

// maxFilterValues is how many values a filter of DescribeBackupJobs2 is given. Assumed: as
// many as a page has results; its reference knows no limit.
const maxFilterValues = maxPage

// restoreOptions overwrites what is there: nothing, but what the same job has written.
const restoreOptions = `{"includes":[],"excludes":[],"conflictPolicy":"OVERWRITE_EXISTING"}`

// restoreRequest is the restore of a snapshot into a target. Assumed: the job makes the
// target, and what was backed up comes to be directly in it, without the path or the
// prefix that it had; CreateRestoreJob does not say so.
func restoreRequest(id snapshotID, made snapshot, target storage) *alicloud.CreateRestoreJobRequest {
	request := restoreOf(id, made)
	if target.bucket != "" {
		request.TargetBucket, request.TargetPrefix = tea.String(target.bucket), tea.String(target.prefix)
		return request
	}
	request.TargetFileSystemId, request.TargetCreateTime = tea.String(target.fileSystem), seconds(target.created)
	request.TargetPath = tea.String(target.path)
	return request
}

// restoreOf is the restore of a snapshot that does not say where to.
func restoreOf(id snapshotID, made snapshot) *alicloud.CreateRestoreJobRequest {
	kind := tea.String(id.sourceType())
	request := &alicloud.CreateRestoreJobRequest{Options: tea.String(restoreOptions)}
	request.RestoreType, request.SourceType = kind, kind
	request.VaultId, request.SnapshotId, request.SnapshotHash = tea.String(id.vault), tea.String(made.id), tea.String(made.hash)
	return request
}

// sourceContainer is the SourceType and the RestoreType of jobs of the client. Assumed:
// SearchHistoricalSnapshots and CreateRestoreJob take it, and the former finds all
// container snapshots of a vault by the vault alone.
const sourceContainer = "CONTAINER"

// containerResource is an item of CreateBackupJob's ContainerResources.
type containerResource struct {
	ResourceType string `json:"resourceType"`
	BackupMethod string `json:"backupMethod"`
	ResourceID   string `json:"resourceId"`
	ResourceInfo string `json:"resourceInfo"`
	Host         string `json:"host"`
	HostPrefix   string `json:"hostPrefix"`
	PVPath       string `json:"pvPath"`
}

// resourceInfo is what the console shows of a volume.
type resourceInfo struct {
	PVName       string `json:"pv_name"`
	PVSize       string `json:"pv_size"`
	StorageClass string `json:"storage_class"`
	PVCName      string `json:"pvc_name"`
	Namespace    string `json:"namespace"`
}

// containerTarget is CreateRestoreJob's TargetContainer.
type containerTarget struct {
	Host       string `json:"host"`
	HostPrefix string `json:"hostPrefix"`
	PVPath     string `json:"pvPath"`
}

// containerBackup is the job of the client that backs a mounted volume up, as the backup
// center asks for it.
func containerBackup(vaultID, clusterID string, of subject, pv *corev1.PersistentVolume, at mount.Place) (*sdk.CreateBackupJobRequest, error) {
	info := resourceInfo{PVName: pv.Name, PVSize: pv.Spec.Capacity.Storage().String(), StorageClass: volume.ClassOf(pv)}
	if claim := pv.Spec.ClaimRef; claim != nil {
		info.PVCName, info.Namespace = claim.Name, claim.Namespace
	}
	shown, err := json.Marshal(info)
	if err != nil {
		return nil, fmt.Errorf("writing what the job shows of the volume %s: %w", pv.Name, err)
	}
	resources, err := json.Marshal([]containerResource{{
		ResourceType: "PV", BackupMethod: "FILE", ResourceID: string(pv.UID), ResourceInfo: string(shown),
		Host: at.Node, HostPrefix: at.BackupPrefix(), PVPath: mount.WholeVolume,
	}})
	if err != nil {
		return nil, fmt.Errorf("writing where the volume %s is: %w", pv.Name, err)
	}
	return &sdk.CreateBackupJobRequest{
		SourceType: tea.String(sourceContainer), VaultId: tea.String(vaultID), JobName: tea.String(of.jobName(at.Node)),
		BackupType: tea.String("COMPLETE"), InitiatedByAck: tea.Bool(true), ContainerClusterId: tea.String(clusterID),
		Options: tea.String(`{"UseVSS":false}`), ContainerResources: tea.String(string(resources)),
	}, nil
}

// containerRestore is the job of the client that restores a snapshot into a mounted volume.
func containerRestore(id snapshotID, made snapshot, clusterID string, to destination) (*alicloud.CreateRestoreJobRequest, error) {
	target, err := json.Marshal(containerTarget{Host: to.at.Node, HostPrefix: to.at.RestorePrefix(), PVPath: to.below})
	if err != nil {
		return nil, fmt.Errorf("writing the target of the restore job: %w", err)
	}
	request := restoreOf(id, made)
	request.TargetContainer, request.TargetContainerClusterId = tea.String(string(target)), tea.String(clusterID)
	return request, nil
}
