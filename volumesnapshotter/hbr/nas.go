// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"context"
	"strconv"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
)

// createdAt returns when a file system was made, as Cloud Backup knows it by.
func (s *site) createdAt(ctx context.Context, region, fileSystem string) (string, error) {
	s.mu.Lock()
	known, ok := s.created[fileSystem]
	s.mu.Unlock()
	if ok {
		return known, nil
	}
	config := s.hbr
	config.Region, config.Endpoint = region, ""
	api, err := s.clients.NAS(ctx, config)
	if err != nil {
		return "", err
	}
	answer, err := api.DescribeFileSystems(ctx, &alicloud.DescribeFileSystemsRequest{FileSystemID: fileSystem})
	if err != nil {
		return "", err
	}
	found := answer.FileSystems.FileSystem
	if len(found) == 0 {
		return "", final.Errorf("the file system %s is not there: it was deleted, or it is of another account or region than the location's", fileSystem)
	}
	created, err := found[0].Created()
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.created[fileSystem] = strconv.FormatInt(created.Unix(), 10)
	return s.created[fileSystem], nil
}

// seconds reads a time as createdAt writes it; 0 for none.
func seconds(text string) *int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return &n
}
