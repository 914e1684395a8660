// SPDX-License-Identifier: Apache-2.0

// Package providers is what joins the package of that name of Velero's e2e suites
// (github.com/vmware-tanzu/velero/test/util/providers): their view of our buckets and snapshots. It is built as a part
// of theirs, see veleroE2EProvider in tests/tools/catalog.go.
package providers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"strings"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	ecs "github.com/alibabacloud-go/ecs-20140526/v4/client"
	"github.com/alibabacloud-go/tea/tea"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
	"github.com/vmware-tanzu/velero/pkg/cmd/util/flag"
	velerotest "github.com/vmware-tanzu/velero/test"
)

// alibabaCloud is the name of the provider, in --cloud-provider and --object-store-provider.
const alibabaCloud = "alibabacloud"

// ecsEndpointVariable is the environment variable with the URL of ECS. The suites tell a provider of the backup storage
// location alone, in which nothing of ECS is. Without it, it is the public endpoint of the location's region.
const ecsEndpointVariable = "ALIBABA_CLOUD_ECS_ENDPOINT"

// alibabaCloudStorage is Alibaba Cloud for the suites, an ObjectsInStorage. Its arguments are theirs: the credentials are
// a dotenv file, as the plugin takes it, and the configuration is that of the backup storage location.
type alibabaCloudStorage struct{}

// IsObjectsInBucket says whether there is a folder below prefix whose name contains name.
func (alibabaCloudStorage) IsObjectsInBucket(credentialsFile, bucket, prefix, config, name string) (bool, error) {
	client, err := newOSS(credentialsFile, config)
	if err != nil {
		return false, err
	}
	root := folder(prefix)
	pages := client.NewListObjectsV2Paginator(&oss.ListObjectsV2Request{
		Bucket: &bucket, Prefix: &root, Delimiter: oss.Ptr("/"),
	})
	for pages.HasNext() {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			return false, fmt.Errorf("listing %s in bucket %s: %w", root, bucket, err)
		}
		for _, found := range page.CommonPrefixes {
			if strings.Contains(strings.TrimPrefix(oss.ToString(found.Prefix), root), name) {
				return true, nil
			}
		}
	}
	return false, nil
}

// DeleteObjectsInBucket deletes what is in the folder name below prefix.
func (alibabaCloudStorage) DeleteObjectsInBucket(credentialsFile, bucket, prefix, config, name string) error {
	client, err := newOSS(credentialsFile, config)
	if err != nil {
		return err
	}
	root := folder(path.Join(prefix, name))
	pages := client.NewListObjectsV2Paginator(&oss.ListObjectsV2Request{Bucket: &bucket, Prefix: &root})
	for pages.HasNext() {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			return fmt.Errorf("listing %s in bucket %s: %w", root, bucket, err)
		}
		for _, object := range page.Contents {
			if _, err := client.DeleteObject(context.Background(), &oss.DeleteObjectRequest{
				Bucket: &bucket, Key: object.Key,
			}); err != nil {
				return fmt.Errorf("deleting %s of bucket %s: %w", oss.ToString(object.Key), bucket, err)
			}
		}
	}
	return nil
}

// GetObject returns the object name below prefix.
func (alibabaCloudStorage) GetObject(credentialsFile, bucket, prefix, config, name string) (io.ReadCloser, error) {
	client, err := newOSS(credentialsFile, config)
	if err != nil {
		return nil, err
	}
	key := path.Join(prefix, name)
	object, err := client.GetObject(context.Background(), &oss.GetObjectRequest{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, fmt.Errorf("getting %s of bucket %s: %w", key, bucket, err)
	}
	return object.Body, nil
}

// IsSnapshotExisted returns an error unless a backup has as many snapshots of disks as it should.
func (alibabaCloudStorage) IsSnapshotExisted(credentialsFile, config, backup string, want velerotest.SnapshotCheckPoint) error {
	client, region, err := newECS(credentialsFile, config)
	if err != nil {
		return err
	}
	response, err := client.DescribeSnapshots(&ecs.DescribeSnapshotsRequest{
		RegionId: tea.String(region),
		PageSize: tea.Int32(100),
		Tag:      []*ecs.DescribeSnapshotsRequestTag{{Key: tea.String("velero.io/backup"), Value: tea.String(backup)}},
	})
	if err != nil {
		return fmt.Errorf("listing the snapshots of backup %s: %w", backup, err)
	}
	if got := int(tea.Int32Value(response.Body.TotalCount)); got != want.ExpectCount {
		return fmt.Errorf("backup %s has %d snapshots, not %d as expected", backup, got, want.ExpectCount)
	}
	return nil
}

// folder is a prefix with the slash at its end that keeps other names out.
func folder(prefix string) string {
	return strings.Trim(prefix, "/") + "/"
}

func newOSS(credentialsFile, config string) (*oss.Client, error) {
	key, err := readKey(credentialsFile)
	if err != nil {
		return nil, err
	}
	location, err := parseLocation(config)
	if err != nil {
		return nil, err
	}
	return oss.NewClient(oss.LoadDefaultConfig().
		WithRegion(location["region"]).
		WithEndpoint(location["endpoint"]).
		WithUsePathStyle(location["addressingStyle"] == "path").
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider(key.id, key.secret))), nil
}

func newECS(credentialsFile, config string) (client *ecs.Client, region string, err error) {
	key, err := readKey(credentialsFile)
	if err != nil {
		return nil, "", err
	}
	location, err := parseLocation(config)
	if err != nil {
		return nil, "", err
	}
	region = location["region"]
	endpoint, err := url.Parse(os.Getenv(ecsEndpointVariable))
	if err != nil {
		return nil, "", fmt.Errorf("reading %s: %w", ecsEndpointVariable, err)
	}
	if endpoint.Host == "" {
		endpoint = &url.URL{Scheme: "https", Host: "ecs." + region + ".aliyuncs.com"}
	}
	client, err = ecs.NewClient(&openapi.Config{
		AccessKeyId: tea.String(key.id), AccessKeySecret: tea.String(key.secret),
		RegionId: tea.String(region), Endpoint: tea.String(endpoint.Host), Protocol: tea.String(endpoint.Scheme),
	})
	return client, region, err
}

// parseLocation reads key1=value1,key2=value2.
func parseLocation(config string) (map[string]string, error) {
	location := flag.NewMap()
	if err := location.Set(config); err != nil {
		return nil, fmt.Errorf("reading the configuration of the backup storage location: %w", err)
	}
	return location.Data(), nil
}

// accessKey is a pair that signs requests.
type accessKey struct {
	id, secret string
}

// readKey reads an access key from lines NAME=value, which a profile may head, by either pair of names that the plugin
// and Velero's repositories take.
func readKey(file string) (accessKey, error) {
	f, err := os.Open(file)
	if err != nil {
		return accessKey{}, err
	}
	defer func() { _ = f.Close() }()
	var key accessKey
	for lines := bufio.NewScanner(f); lines.Scan(); {
		switch name, value, _ := strings.Cut(lines.Text(), "="); name {
		case "ALIBABA_CLOUD_ACCESS_KEY_ID", "aws_access_key_id":
			key.id = value
		case "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "aws_secret_access_key":
			key.secret = value
		}
	}
	if key.id == "" || key.secret == "" {
		return accessKey{}, errors.New("the credentials file has no access key")
	}
	return key, nil
}
