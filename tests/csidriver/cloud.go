// SPDX-License-Identifier: Apache-2.0

package csidriver

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	openapiutil "github.com/alibabacloud-go/darabonba-openapi/v2/utils"
	"github.com/alibabacloud-go/tea/dara"
	"github.com/alibabacloud-go/tea/tea"
	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/rpc"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/admin"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/nas"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ossfs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/provisioner"
)

// answerTimeout is how long the cloud may take for an answer. Then its network is gone, and the kubelet asks again.
const answerTimeout = 30 * time.Second

// Account is whose storage a driver uses, and by which key.
type Account struct{ ID, AccessKeyID, AccessKeySecret string }

// Cloud is the simulated cloud as a driver reaches it. It is a provisioner.Storage.
type Cloud struct {
	// HTTP reaches the endpoints of Alibaba Cloud by their real names, and AdminURL.
	HTTP *http.Client
	// AdminURL is where the simulator serves what is not part of the cloud.
	AdminURL string
	Region   string
	Account  Account
}

// NewHTTPClient returns a client that goes to Alibaba Cloud through the simulator's proxy and trusts its authority, whose
// certificate is PEM, and to everything else directly.
func NewHTTPClient(proxy string, certificate []byte) (*http.Client, error) {
	to, err := url.Parse(proxy)
	if err != nil {
		return nil, fmt.Errorf("read the URL of the proxy: %w", err)
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(certificate) {
		return nil, errors.New("the simulated cloud's authority has no certificate")
	}
	return &http.Client{Timeout: answerTimeout, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12},
		Proxy: func(r *http.Request) (*url.URL, error) {
			if strings.HasSuffix(r.URL.Hostname(), ".aliyuncs.com") {
				return to, nil
			}
			return nil, nil //nolint:nilnil // No proxy, in net/http.
		},
	}}, nil
}

// call calls an operation of a service and reads its answer.
func (c *Cloud) call(ctx context.Context, product, version, action string, parameters map[string]string, answer any) error {
	config, err := rpc.ConfigFor(ctx, "https://"+product+"."+c.Region+".aliyuncs.com", c.HTTP)
	if err != nil {
		return err
	}
	config.RegionId, config.AccessKeyId, config.AccessKeySecret = &c.Region, &c.Account.AccessKeyID, &c.Account.AccessKeySecret
	client, err := openapi.NewClient(config)
	if err != nil {
		return err
	}
	query := map[string]*string{}
	for name, value := range parameters {
		if value != "" {
			query[name] = &value
		}
	}
	result, err := client.CallApi(&openapiutil.Params{
		Action: &action, Version: &version, Protocol: new("HTTPS"), Pathname: new("/"), Method: new(http.MethodPost),
		AuthType: new("AK"), Style: new("RPC"), ReqBodyType: new("formData"), BodyType: new("json"),
	}, &openapiutil.OpenApiRequest{Query: query}, &dara.RuntimeOptions{})
	var refused *tea.SDKError
	if errors.As(err, &refused) {
		return fmt.Errorf("%s: %w", action, &refusal{code: tea.StringValue(refused.Code), message: tea.StringValue(refused.Message)})
	}
	if err != nil || answer == nil {
		return err
	}
	return tea.Convert(result["body"], answer)
}

// refusal is an error of the cloud.
type refusal struct{ code, message string }

func (r *refusal) Error() string { return r.code + ": " + r.message }

// CreateDisk implements provisioner.Storage.
func (c *Cloud) CreateDisk(ctx context.Context, disk provisioner.Disk) (string, error) {
	parameters := map[string]string{
		"RegionId": c.Region, "ZoneId": disk.Zone, "DiskName": disk.Name, "Size": strconv.FormatInt(disk.Size, 10),
		"DiskCategory": disk.Category, "PerformanceLevel": disk.PerformanceLevel, "SnapshotId": disk.Snapshot,
		// Of two calls for one claim and category the second gets the first one's disk.
		"ClientToken":     token(disk),
		"Encrypted":       disk.Parameters["encrypted"],
		"KMSKeyId":        disk.Parameters["kmsKeyId"],
		"ProvisionedIops": disk.Parameters["provisionedIops"],
		"BurstingEnabled": disk.Parameters["burstingEnabled"],
		"ResourceGroupId": disk.Parameters["resourceGroupId"],
		"Tag.1.Key":       "createdby", "Tag.1.Value": "alibabacloud-csi-plugin",
	}
	if disk.MultiAttach {
		parameters["MultiAttach"] = "Enabled"
	}
	var answer struct {
		ID string `json:"DiskId"`
	}
	err := c.call(ctx, ecs.Product, "2014-05-26", "CreateDisk", parameters, &answer)
	return answer.ID, err
}

// token tells a call from others, in the 64 characters that ECS takes.
func token(disk provisioner.Disk) string {
	const longest = 64
	whole := strings.TrimPrefix(disk.Name, "pvc-") + "-" + disk.Category
	return whole[:min(len(whole), longest)]
}

// DeleteDisk implements provisioner.Storage.
func (c *Cloud) DeleteDisk(ctx context.Context, id string) error {
	err := c.call(ctx, ecs.Product, "2014-05-26", "DeleteDisk", map[string]string{"DiskId": id}, nil)
	var refused *refusal
	if errors.As(err, &refused) && refused.code == "InvalidDiskId.NotFound" {
		return nil
	}
	return err
}

// createSnapshot makes a snapshot of a disk. One that has been made by the name is there already.
func (c *Cloud) createSnapshot(ctx context.Context, disk, name string) (string, error) {
	var answer struct {
		ID string `json:"SnapshotId"`
	}
	err := c.call(ctx, ecs.Product, "2014-05-26", "CreateSnapshot", map[string]string{
		"DiskId": disk, "SnapshotName": name, "ClientToken": name,
	}, &answer)
	return answer.ID, err
}

// snapshotSize is the size of the disk of a snapshot, in bytes.
func (c *Cloud) snapshotSize(ctx context.Context, id string) (int64, error) {
	var answer struct {
		Snapshots struct {
			Snapshot []struct {
				Size int64 `json:"SourceDiskSize,string"`
			}
		}
	}
	err := c.call(ctx, ecs.Product, "2014-05-26", "DescribeSnapshots", map[string]string{
		"RegionId": c.Region, "SnapshotIds": `["` + id + `"]`,
	}, &answer)
	if err == nil && len(answer.Snapshots.Snapshot) == 0 {
		err = fmt.Errorf("there is no snapshot %s", id)
	}
	if err != nil {
		return 0, err
	}
	return answer.Snapshots.Snapshot[0].Size << 30, nil
}

// deleteSnapshot deletes a snapshot, which may have gone, also one of which disks have been made.
func (c *Cloud) deleteSnapshot(ctx context.Context, id string) error {
	err := c.call(ctx, ecs.Product, "2014-05-26", "DeleteSnapshot", map[string]string{"SnapshotId": id, "Force": "true"}, nil)
	var refused *refusal
	if errors.As(err, &refused) && refused.code == "InvalidSnapshotId.NotFound" {
		return nil
	}
	return err
}

// CreateDirectory implements provisioner.Storage. A file system that is not general-purpose has its directories made when
// they are mounted: only that one has the call.
func (c *Cloud) CreateDirectory(ctx context.Context, server, name string) error {
	id, _, ok := strings.Cut(server, "-")
	if !ok {
		return fmt.Errorf("invalid nas server %q", server)
	}
	if strings.HasPrefix(server, nas.TypeExtreme+"-") || strings.HasPrefix(server, nas.TypeCPFS+"-") {
		return nil
	}
	return c.call(ctx, nas.Product, "2017-06-26", "CreateDir", map[string]string{
		"FileSystemId": id, "RootDirectory": name, "OwnerUserId": "0", "OwnerGroupId": "0", "Permission": "0777",
	}, nil)
}

// DeleteDirectory implements provisioner.Storage.
func (c *Cloud) DeleteDirectory(ctx context.Context, server, name string) error {
	return c.manage(ctx, http.MethodDelete, "/nas/directories", nas.Directory{Server: server, Path: name}, nil)
}

// CreateFileSystem implements provisioner.Storage.
func (c *Cloud) CreateFileSystem(ctx context.Context, name string) (server string, err error) {
	all, err := c.fileSystems(ctx)
	if err != nil {
		return "", err
	}
	// An id of General-purpose NAS has no dash, and mount targets begin with it.
	id := strings.ReplaceAll(strings.TrimPrefix(name, "pvc-"), "-", "")
	for _, f := range all {
		if f.ID == id {
			return f.MountTargets[0], nil
		}
	}
	var made nas.FileSystem
	config := nas.FileSystemConfig{ID: id, Account: c.Account.ID, Region: c.Region}
	if err := c.manage(ctx, http.MethodPost, "/nas/filesystems", config, &made); err != nil {
		return "", err
	}
	return made.MountTargets[0], nil
}

// DeleteFileSystem implements provisioner.Storage.
func (c *Cloud) DeleteFileSystem(ctx context.Context, server string) error {
	all, err := c.fileSystems(ctx)
	if err != nil {
		return err
	}
	for _, f := range all {
		for _, target := range f.MountTargets {
			if target == server {
				return c.manage(ctx, http.MethodDelete, "/nas/filesystems", f.ID, nil)
			}
		}
	}
	return nil
}

func (c *Cloud) fileSystems(ctx context.Context) ([]nas.FileSystem, error) {
	var all []nas.FileSystem
	err := c.manage(ctx, http.MethodGet, "/nas/filesystems", nil, &all)
	return all, err
}

// ClearBucket implements provisioner.Storage.
func (c *Cloud) ClearBucket(ctx context.Context, bucket, name string) error {
	return c.manage(ctx, http.MethodDelete, "/ossfs/directories", ossfs.Bucket{Bucket: bucket, Path: name}, nil)
}

// DeleteOther implements provisioner.Storage. A driver has no volumes of another one.
func (c *Cloud) DeleteOther(_ context.Context, pv *corev1.PersistentVolume) error {
	return fmt.Errorf("%s is not a driver of Alibaba Cloud", pv.Spec.CSI.Driver)
}

// attach attaches a disk to an instance and returns its directory.
func (c *Cloud) attach(ctx context.Context, disk, instance string) (string, error) {
	var at admin.Directory
	err := c.manage(ctx, http.MethodPost, "/ecs/attachments", ecs.Attachment{Disk: disk, Instance: instance}, &at)
	return at.Dir, err
}

func (c *Cloud) detach(ctx context.Context, disk, instance string) error {
	return c.manage(ctx, http.MethodDelete, "/ecs/attachments", ecs.Attachment{Disk: disk, Instance: instance}, nil)
}

// mountFileSystem returns the directory that a mount of a path of a mount target shows.
func (c *Cloud) mountFileSystem(ctx context.Context, server, name string) (string, error) {
	var at admin.Directory
	err := c.manage(ctx, http.MethodPost, "/nas/directories", nas.Directory{Server: server, Path: name}, &at)
	return at.Dir, err
}

// mountBucket returns the directory that a mount of a bucket shows.
func (c *Cloud) mountBucket(ctx context.Context, bucket, name string) (string, error) {
	var at admin.Directory
	err := c.manage(ctx, http.MethodPost, "/ossfs/directories", ossfs.Bucket{Bucket: bucket, Path: name}, &at)
	return at.Dir, err
}

// syncBuckets makes what is mounted of buckets and the buckets the same.
func (c *Cloud) syncBuckets(ctx context.Context) error {
	return c.manage(ctx, http.MethodPost, "/ossfs/sync", struct{}{}, nil)
}

// manage sends a request to the simulator's admin interface.
func (c *Cloud) manage(ctx context.Context, method, path string, body, answer any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, c.AdminURL+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	response, err := c.HTTP.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	data, err = io.ReadAll(response.Body)
	switch {
	case err != nil:
		return fmt.Errorf("%s %s: %w", method, path, err)
	case response.StatusCode >= http.StatusBadRequest:
		return errors.New(strings.TrimSpace(string(data)))
	case answer == nil:
		return nil
	default:
		return json.Unmarshal(data, answer)
	}
}
