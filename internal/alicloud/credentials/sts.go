// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	openapiutil "github.com/alibabacloud-go/darabonba-openapi/v2/utils"
	"github.com/alibabacloud-go/tea/dara"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/failure"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/retry"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/rpc"
)

const (
	stsVersion = "2015-04-01"
	// defaultSTSEndpoint is the global one, which needs a way to the Internet.
	defaultSTSEndpoint = "sts.aliyuncs.com"
	// sessionSeconds is what every role allows (MaxSessionDuration is 3600 unless raised).
	sessionSeconds = 3600
	// defaultSessionName is what the audit log shows where nothing is configured.
	defaultSessionName = "velero-plugin-alibabacloud"
	// A role session name has 2 to 64 of the characters A-Z a-z 0-9 . @ - _
	// (AssumeRole, parameter RoleSessionName).
	minSessionName, maxSessionName = 2, 64

	stsConnectTimeout = 5 * time.Second
	stsAnswerTimeout  = 10 * time.Second
	maxSTSAttempts    = 3
	stsRetryDelay     = 300 * time.Millisecond
	stsMaxDelay       = 2 * time.Second
)

// stsClient calls the Security Token Service.
type stsClient struct {
	// endpoint is a host, or a URL with http or https.
	endpoint string
	http     *http.Client
}

// newSTSHTTPClient returns a client with the proxies of the environment, which
// gives up in time for another attempt.
func newSTSHTTPClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: stsConnectTimeout}).DialContext,
			TLSHandshakeTimeout:   stsConnectTimeout,
			ResponseHeaderTimeout: stsAnswerTimeout,
			IdleConnTimeout:       30 * time.Second,
			ForceAttemptHTTP2:     true,
		},
		Timeout: stsConnectTimeout + stsAnswerTimeout,
	}
}

// assumeRole exchanges base for a session of the role (AssumeRole).
func (c stsClient) assumeRole(ctx context.Context, base Credentials, role assumption) (Credentials, error) {
	parameters := map[string]string{
		"RoleArn":         role.roleARN,
		"RoleSessionName": sessionName(role.sessionName),
		"DurationSeconds": strconv.Itoa(sessionSeconds),
	}
	if role.externalID != "" {
		parameters["ExternalId"] = role.externalID
	}
	return c.call(ctx, "AssumeRole", &base, parameters)
}

// assumeRoleWithOIDC exchanges the token of a Kubernetes service account for a
// session of the role (AssumeRoleWithOIDC). The call is not signed.
func (c stsClient) assumeRoleWithOIDC(ctx context.Context, role assumption, providerARN, token string) (Credentials, error) {
	return c.call(ctx, "AssumeRoleWithOIDC", nil, map[string]string{
		"RoleArn":         role.roleARN,
		"OIDCProviderArn": providerARN,
		"OIDCToken":       token,
		"RoleSessionName": sessionName(role.sessionName),
		"DurationSeconds": strconv.Itoa(sessionSeconds),
	})
}

// call sends one action, again while its failure looks transient, and returns
// the credentials in the answer, without a Source. A nil signer means anonymous.
func (c stsClient) call(ctx context.Context, action string, signer *Credentials, parameters map[string]string) (Credentials, error) {
	client, err := c.openapiClient(signer)
	if err != nil {
		return Credentials{}, err
	}
	// The parameters go in the body: a URL is printed in errors, and proxies log it.
	request := &openapiutil.OpenApiRequest{Body: parameters}
	call := &openapiutil.Params{
		Action: &action, Version: new(stsVersion), Protocol: client.Protocol, Pathname: new("/"), Method: new(http.MethodPost),
		Style: new("RPC"), AuthType: new("AK"), ReqBodyType: new("formData"), BodyType: new("json"),
	}
	if signer == nil {
		call.AuthType = new("Anonymous")
	}
	var key Credentials
	err = retry.Policy{BaseDelay: stsRetryDelay, MaxDelay: stsMaxDelay}.Do(ctx, stsAttempts, func(ctx context.Context) error {
		answer, err := client.CallApiWithCtx(ctx, call, request, &dara.RuntimeOptions{})
		if err != nil {
			return newSTSError(action, c.endpoint, err)
		}
		key, err = parseSTSAnswer(answer)
		return err
	})
	return key, err
}

// stsAttempts is how often a call is sent that fails with err: what needs many
// attempts is left to the caller's next request for credentials.
func stsAttempts(err error) int { return min(failure.Attempts(err), maxSTSAttempts) }

func (c stsClient) openapiClient(signer *Credentials) (*openapi.Client, error) {
	config, err := rpc.Config(c.endpoint, c.http)
	if err != nil {
		return nil, fmt.Errorf("make a client of STS: %w", err)
	}
	if signer != nil {
		config.AccessKeyId, config.AccessKeySecret = &signer.AccessKeyID, &signer.AccessKeySecret
		if signer.SecurityToken != "" {
			config.SecurityToken = &signer.SecurityToken
		}
	}
	client, err := openapi.NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("make a client of STS: %w", err)
	}
	return client, nil
}

// parseSTSAnswer takes the credentials out of the answer to either action.
func parseSTSAnswer(answer map[string]any) (Credentials, error) {
	body, _ := answer["body"].(map[string]any)
	fields, _ := body["Credentials"].(map[string]any)
	text := func(name string) string {
		value, _ := fields[name].(string)
		return value
	}
	key := Credentials{
		AccessKeyID:     text("AccessKeyId"),
		AccessKeySecret: text("AccessKeySecret"),
		SecurityToken:   text("SecurityToken"),
	}
	if key.AccessKeyID == "" || key.AccessKeySecret == "" || key.SecurityToken == "" {
		return Credentials{}, errors.New("the answer of STS lacks the access key or the security token")
	}
	expiration, err := time.Parse(time.RFC3339, text("Expiration"))
	if err != nil {
		return Credentials{}, fmt.Errorf("the answer of STS has a malformed Expiration: %w", err)
	}
	key.Expiration = expiration
	return key, nil
}

// sessionName makes a valid role session name of what is configured.
func sessionName(configured string) string {
	name := strings.Map(func(char rune) rune {
		switch {
		case char >= 'a' && char <= 'z', char >= 'A' && char <= 'Z', char >= '0' && char <= '9', strings.ContainsRune(".@-_", char):
			return char
		}
		return '-'
	}, configured)
	if len(name) < minSessionName {
		return defaultSessionName
	}
	return name[:min(len(name), maxSessionName)]
}
