//! The gateway's nginx configuration.
//!
//! All paths are relative to the prefix that nginx is started with, so the file can be published
//! with the logs it made. The access-log format holds what a careful operator would log; the marks
//! of the truth are only in the request line.

use super::namespaces::Addresses;
use crate::scenario::Scenario;

const LOG_FORMAT: &str = "'$remote_addr - $remote_user [$time_local] \"$request\" $status \
    $body_bytes_sent \"$http_referer\" \"$http_user_agent\" rt=$request_time \
    uct=$upstream_connect_time urt=$upstream_response_time us=$upstream_status ua=$upstream_addr \
    msec=$msec conn=$connection rid=$request_id'";

/// Puts an IPv6 address in brackets.
fn host(address: &str) -> String {
    if address.contains(':') { format!("[{address}]") } else { address.to_owned() }
}

/// The text of `conf/nginx.conf`.
pub(super) fn nginx(scenario: &Scenario) -> String {
    let to = Addresses::of(scenario);
    let (gateway, upstream) = (host(to.gateway), host(to.upstream));
    let connect = scenario.proxy_connect_timeout_ms;
    let timeouts = format!("proxy_connect_timeout {connect}ms; proxy_read_timeout 4s;");
    format!(
        r#"load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;
worker_processes 2;
daemon off;
user root;
pid run/nginx.pid;
error_log error.log error;
events {{ worker_connections 4096; }}
http {{
  log_format lab {LOG_FORMAT};
  access_log access.log lab;
  client_body_temp_path run/body; proxy_temp_path run/proxy; fastcgi_temp_path run/fastcgi;
  uwsgi_temp_path run/uwsgi; scgi_temp_path run/scgi;
  lua_package_path "/usr/share/lua/5.1/?.lua;;";
  lua_socket_log_errors on;
  server {{
    listen 127.0.0.1:80;
    server_name gw.example.com;
    location ~ ^/proxy/(?<up>\d+) {{
      proxy_pass http://{upstream}:$up; proxy_bind {gateway}:$arg_bind;
      {timeouts}
    }}
    location ~ ^/pool/(?<up>\d+) {{
      proxy_pass http://{upstream}:$up;
      {timeouts}
    }}
    location ~ ^/lua/(?<up>\d+) {{
      content_by_lua_block {{
        local s = ngx.socket.tcp()
        s:settimeout(tonumber(ngx.var.arg_t) or 500)
        if ngx.var.arg_src then
          local bound, why = s:bind(ngx.var.arg_src)
          if not bound then ngx.log(ngx.ERR, "bind: ", why) end
        end
        local ok, err = s:connect("{upstream}", tonumber(ngx.var.up))
        if not ok then ngx.status = 504; ngx.say(err); return ngx.exit(504) end
        s:send("GET / HTTP/1.0\r\nHost: u\r\n\r\n")
        s:settimeout(2000)
        local text, why = s:receive("*a")
        s:close()
        ngx.say(text or why)
      }}
    }}
  }}
}}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_addresses_are_bracketed_and_braces_balance() {
        let text = "description = 'x'\nseconds = 1\nrate = 1\nipv6 = true\n\
                    [[upstream]]\nport = 8001\nbehaviour = 'healthy'\n";
        let conf = nginx(&Scenario::parse(text).unwrap());
        assert!(conf.contains("proxy_pass http://[fd77:2::2]:$up;"), "{conf}");
        assert_eq!(conf.matches('{').count(), conf.matches('}').count());
    }
}
